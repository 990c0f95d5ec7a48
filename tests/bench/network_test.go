package bench_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci/logs"
)

// served is an API on a unix socket and on loopback.
type served struct {
	socket, address string
	server          *tls.Config // of the network
	client          *tls.Config // of a reader
}

// serveAPI serves these services and logs; the rest of the API has nothing behind it.
func serveAPI(b *testing.B, services api.Services, logs api.Logs) *served {
	b.Helper()

	dir := b.TempDir()
	store := filepath.Join(dir, "credentials")

	set, err := credentials.Create(store, credentials.Options{Names: []string{"127.0.0.1"}}, time.Now())
	noError(b, err)
	opened, err := credentials.OpenServer(store, func(err error) { b.Error(err) })
	noError(b, err)

	s := &served{socket: filepath.Join(dir, api.SocketName), server: opened.TLSConfig(), client: reader(b, set)}

	local, err := api.Listen(s.socket)
	noError(b, err)
	remote, err := api.ListenNetwork("127.0.0.1:0")
	noError(b, err)

	s.address = remote.Addr().String()
	server := api.New(api.Options{Services: services, Logs: logs, Now: kernelClock{}.Now, BootID: boot})
	ctx, cancel := context.WithCancel(context.Background())

	var ended sync.WaitGroup

	ended.Go(func() { noError(b, server.Serve(ctx, local)) })
	ended.Go(func() {
		network := api.Network{Listeners: []net.Listener{remote}, TLS: s.server, Report: func(err error) { b.Error(err) }}
		noError(b, server.ServeNetwork(ctx, network))
	})

	b.Cleanup(func() {
		cancel()
		ended.Wait()
	})

	return s
}

func reader(b *testing.B, set *credentials.Set) *tls.Config {
	b.Helper()

	pair, err := set.Authority.Client(credentials.Reader, time.Hour, time.Now())
	noError(b, err)

	shown := tls.Certificate{PrivateKey: pair.Key}
	for _, link := range pair.Chain {
		shown.Certificate = append(shown.Certificate, link.Raw)
	}

	servers := x509.NewCertPool()
	servers.AddCert(set.Authority.Certificate)

	return &tls.Config{Certificates: []tls.Certificate{shown}, RootCAs: servers, ServerName: "127.0.0.1", NextProtos: []string{"h2"}}
}

func (s *served) dial(b *testing.B) *api.Client {
	b.Helper()

	client, err := api.DialRemote(api.Remote{Address: s.address, TLS: s.client})
	noError(b, err)
	b.Cleanup(func() { client.Close() })

	return client
}

// fixedServices never change.
type fixedServices struct {
	api.Services
	views []events.View
}

func (f fixedServices) Views() []events.View { return f.views }

func (f fixedServices) View(id string) (events.View, bool) {
	index := slices.IndexFunc(f.views, func(view events.View) bool { return view.ID == id })
	if index < 0 {
		return events.View{}, false
	}

	return f.views[index], true
}

func someServices(count int) fixedServices {
	var services fixedServices

	for number := range count {
		view := events.NewView(fmt.Sprintf("ext-service%d", number))
		view.State, view.BootID = events.StateRunning, boot

		for _, state := range []string{events.StateWaiting, events.StatePreparing, events.StatePreparing, events.StateRunning} {
			view.Recent = append(view.Recent, events.Line{State: state, Message: "Started task of a service with a text of ordinary length", BootID: boot})
		}

		services.views = append(services.views, view)
	}

	return services
}

// BenchmarkServiceList is a list of 500 services over the network, beside the same over the unix socket. They take turns.
func BenchmarkServiceList(b *testing.B) {
	s := serveAPI(b, someServices(500), nil)
	remote := s.dial(b)

	local, err := api.Dial(s.socket)
	noError(b, err)
	b.Cleanup(func() { local.Close() })

	ask := func(client *api.Client) time.Duration {
		begin := time.Now()
		list, err := client.Machine.ServiceList(context.Background(), &emptypb.Empty{})
		noError(b, err)

		if count := len(list.GetMessages()[0].GetServices()); count != 500 {
			b.Fatalf("%d services", count)
		}

		return time.Since(begin)
	}

	ask(remote) // connects

	var overTLS, overSocket []time.Duration

	for b.Loop() {
		overTLS = append(overTLS, ask(remote))
		overSocket = append(overSocket, ask(local))
	}

	b.ReportMetric(0, "ns/op")
	report(b, "TLS", overTLS)
	report(b, "socket", overSocket)
	b.ReportMetric(float64(overTLS[len(overTLS)/2])/float64(overSocket[len(overSocket)/2]), "ratio")
}

// BenchmarkLogFollowers is how many lines a hundred followers of one log get, on fifty connections, from the FIFO of the
// service through logd and its files.
func BenchmarkLogFollowers(b *testing.B) {
	const (
		followers   = 100
		connections = 50
		lines       = 10000 // at once
	)

	services := someServices(1)
	id := services.views[0].ID
	dir := startLogd(b, id)
	s := serveAPI(b, services, followedLogs{dir})

	var clients []*api.Client
	for range connections {
		clients = append(clients, s.dial(b))
	}

	ctx, cancel := context.WithCancel(context.Background())

	var (
		got    [followers]atomic.Int64
		ended  sync.WaitGroup
		ready  sync.WaitGroup
		growth = make(chan struct{}, 1)
	)

	for number := range followers {
		stream, err := clients[number%connections].Machine.Logs(ctx, &machine.LogsRequest{Id: id, Follow: true, TailLines: -1})
		noError(b, err)
		ready.Add(1)

		ended.Go(func() {
			first := sync.OnceFunc(ready.Done)

			for {
				data, err := stream.Recv()
				if err != nil {
					return // the end of the benchmark
				}

				got[number].Add(int64(strings.Count(string(data.GetBytes()), "\n")))
				first()

				select {
				case growth <- struct{}{}:
				default:
				}
			}
		})
	}

	fifo, err := os.OpenFile(dir.FIFO(id), os.O_WRONLY, 0)
	noError(b, err)

	line := strings.Repeat("x", 99) + "\n"
	_, err = fifo.WriteString(line) // each follower has it before it is measured
	noError(b, err)
	ready.Wait()

	written := int64(1)
	chunk := []byte(strings.Repeat(line, 100))

	for b.Loop() {
		for range lines / 100 {
			_, err := fifo.Write(chunk)
			noError(b, err)
		}

		written += lines

		for late := time.After(time.Minute); least(got[:]) < written; {
			select {
			case <-growth:
			case <-late:
				b.Fatalf("a follower has %d of %d lines", least(got[:]), written)
			}
		}
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(followers*(written-1))/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(lost(got[:], written)), "lost")
	cancel()
	ended.Wait()
}

func least(got []atomic.Int64) int64 {
	smallest := got[0].Load()
	for index := range got {
		smallest = min(smallest, got[index].Load())
	}

	return smallest
}

// lost also counts lines that came twice.
func lost(got []atomic.Int64, written int64) int64 {
	var sum int64
	for index := range got {
		sum += max(written-got[index].Load(), got[index].Load()-written)
	}

	return sum
}

// startLogd runs logd on a directory with the log of a service.
func startLogd(b *testing.B, id string) logs.Dir {
	b.Helper()

	dir := logs.In(b.TempDir())
	noError(b, logs.Create(dir, id))
	held, err := logs.Hold(dir, id)
	noError(b, err)

	ctx, cancel := context.WithCancel(context.Background())
	ready, says := io.Pipe()
	ended := make(chan struct{})

	go func() {
		defer close(ended)
		noError(b, logs.Run(ctx, logs.Options{Dir: dir, Ready: says}))
	}()

	_, err = bufio.NewReader(ready).ReadString('\n')
	noError(b, err)
	b.Cleanup(func() {
		cancel()
		<-ended
		held.Close()
	})

	return dir
}

// followedLogs are those of a directory, from their beginning on.
type followedLogs struct{ dir logs.Dir }

func (followedLogs) IDs() ([]string, error) { return nil, nil }

func (l followedLogs) Open(ctx context.Context, id string, _ int, _ bool) (io.ReadCloser, error) {
	return logs.Follow(ctx, l.dir, id, 0)
}

// BenchmarkHandshakes is how many clients a second can connect, four at a time, beside a server that is nothing but crypto/tls
// with the same configuration. They take turns.
func BenchmarkHandshakes(b *testing.B) {
	const (
		clients = 4
		round   = 100
	)

	s := serveAPI(b, someServices(1), nil)
	bare := bareTLS(b, s.server)

	connect := func(address string) time.Duration {
		begin := time.Now()

		var all sync.WaitGroup

		for range clients {
			all.Go(func() {
				for range round / clients {
					conn, err := tls.Dial("tcp", address, s.client)
					if err != nil {
						b.Error(err)

						return
					}

					_, err = conn.Read(make([]byte, 1)) // the server's first word: it has looked at the certificate
					noError(b, err)
					conn.Close()
				}
			})
		}

		all.Wait()

		return time.Since(begin)
	}

	var ours, plain time.Duration

	for b.Loop() {
		ours += connect(s.address)
		plain += connect(bare)
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.N*round)/ours.Seconds(), "extactor/s")
	b.ReportMetric(float64(b.N*round)/plain.Seconds(), "bare/s")
	b.ReportMetric(float64(ours)/float64(plain), "ratio")
}

// bareTLS says one word to whoever shows a good certificate.
func bareTLS(b *testing.B, config *tls.Config) (address string) {
	b.Helper()

	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	noError(b, err)
	b.Cleanup(func() { listener.Close() })

	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			go func() {
				defer conn.Close()

				_, _ = conn.Write([]byte{1})
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()

	return listener.Addr().String()
}

// BenchmarkIdleConnection is what a connection without a call costs the server in memory. The clients are another process.
func BenchmarkIdleConnection(b *testing.B) {
	const count = 60 // what one address may have

	s := serveAPI(b, someServices(1), nil)

	var each []float64

	for b.Loop() {
		before := inUse()
		end := idleClients(b, s, count)
		each = append(each, float64(inUse()-before)/count)
		end()
	}

	slices.Sort(each)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(each[len(each)/2], "B/connection")
}

// inUse is memory of the heap and of stacks.
func inUse() int64 {
	used := heap()

	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)

	return used + int64(stats.StackInuse)
}

// idleClients connects from another process; end has it leave.
func idleClients(b *testing.B, s *served, count int) (end func()) {
	b.Helper()

	key, err := x509.MarshalPKCS8PrivateKey(s.client.Certificates[0].PrivateKey)
	noError(b, err)

	directory := b.TempDir()
	noError(b, os.WriteFile(filepath.Join(directory, "key"), key, 0o600))
	noError(b, os.WriteFile(filepath.Join(directory, "certificate"), s.client.Certificates[0].Certificate[0], 0o600))

	clients := exec.Command(os.Args[0])
	clients.Env = append(os.Environ(), "IDLE_CLIENTS="+directory, "IDLE_ADDRESS="+s.address, "IDLE_COUNT="+strconv.Itoa(count))
	clients.Stderr = os.Stderr

	input, err := clients.StdinPipe()
	noError(b, err)
	output, err := clients.StdoutPipe()
	noError(b, err)
	noError(b, clients.Start())

	if line, err := bufio.NewReader(output).ReadString('\n'); line != "connected\n" {
		b.Fatalf("the clients say %q, %v", line, err)
	}

	return func() {
		input.Close()
		noError(b, clients.Wait())
	}
}

// TestMain is the other process where it is told to be: it connects, and waits until it may go.
func TestMain(m *testing.M) {
	directory, idle := os.LookupEnv("IDLE_CLIENTS")
	if !idle {
		os.Exit(m.Run())
	}

	count, err := strconv.Atoi(os.Getenv("IDLE_COUNT"))
	if err == nil {
		err = beIdle(directory, os.Getenv("IDLE_ADDRESS"), count)
	}

	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func beIdle(directory, address string, count int) error {
	content, err := os.ReadFile(filepath.Join(directory, "key"))
	if err != nil {
		return err
	}

	key, err := x509.ParsePKCS8PrivateKey(content)
	if err != nil {
		return err
	}

	certificate, err := os.ReadFile(filepath.Join(directory, "certificate"))
	if err != nil {
		return err
	}

	config := &tls.Config{
		Certificates:       []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}},
		InsecureSkipVerify: true, // the server is the benchmark's own
	}

	for range count {
		client, err := api.DialRemote(api.Remote{Address: address, TLS: config})
		if err != nil {
			return err
		}
		defer client.Close()

		if _, err := client.Machine.ServiceList(context.Background(), &emptypb.Empty{}); err != nil {
			return err
		}
	}

	fmt.Println("connected")

	_, err = io.Copy(io.Discard, os.Stdin)

	return err
}
