package bench_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/api"
)

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

// BenchmarkListUnderHandshakes is a list of 500 services over the unix socket while another process connects without a
// certificate as fast as it can, eight at a time, beside the same in peace. The other process takes processors too.
func BenchmarkListUnderHandshakes(b *testing.B) {
	s := serveAPI(b, someServices(500), nil)

	local, err := api.Dial(s.socket)
	noError(b, err)
	b.Cleanup(func() { local.Close() })

	var peace, flood []time.Duration

	round := func(times *[]time.Duration) {
		for range 100 {
			begin := time.Now()
			_, err := local.Machine.ServiceList(context.Background(), &emptypb.Empty{})
			noError(b, err)

			*times = append(*times, time.Since(begin))
		}
	}

	for b.Loop() {
		round(&peace)

		end := elsewhere(b, "FLOOD_ADDRESS="+s.address)
		round(&flood)
		end()
	}

	b.ReportMetric(0, "ns/op")
	report(b, "peace", peace)
	report(b, "flood", flood)
	b.ReportMetric(float64(flood[len(flood)/2])/float64(peace[len(peace)/2]), "ratio")
}

// floodWith connects without a certificate for as long as the process lives.
func floodWith(address string) {
	for range 8 {
		go func() {
			for {
				if conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}); err == nil {
					conn.Close()
				}
			}
		}()
	}
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

	return elsewhere(b, "IDLE_CLIENTS="+directory, "IDLE_ADDRESS="+s.address, "IDLE_COUNT="+strconv.Itoa(count))
}

// elsewhere has another process do what its environment says; end has it leave.
func elsewhere(b *testing.B, environment ...string) (end func()) {
	b.Helper()

	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), environment...)
	other.Stderr = os.Stderr

	input, err := other.StdinPipe()
	noError(b, err)
	output, err := other.StdoutPipe()
	noError(b, err)
	noError(b, other.Start())

	if line, err := bufio.NewReader(output).ReadString('\n'); line != "connected\n" {
		b.Fatalf("the other process says %q, %v", line, err)
	}

	return func() {
		input.Close()
		noError(b, other.Wait())
	}
}

// TestMain is the other process where its environment says so.
func TestMain(m *testing.M) {
	directory, idle := os.LookupEnv("IDLE_CLIENTS")
	address, flood := os.LookupEnv("FLOOD_ADDRESS")

	var err error

	switch {
	case idle:
		err = beIdle(directory, os.Getenv("IDLE_ADDRESS"), os.Getenv("IDLE_COUNT"))
	case flood:
		floodWith(address)
		err = stay()
	default:
		os.Exit(m.Run())
	}

	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// stay tells the benchmark that it may begin, and waits until it says that it has ended.
func stay() error {
	fmt.Println("connected")

	_, err := io.Copy(io.Discard, os.Stdin)

	return err
}

func beIdle(directory, address, number string) error {
	count, err := strconv.Atoi(number)
	if err != nil {
		return err
	}

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

	return stay()
}
