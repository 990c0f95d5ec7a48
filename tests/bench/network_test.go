package bench_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
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
		network := api.Network{Listeners: []net.Listener{remote}, TLS: s.server, Report: func(error) {}}
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

	servers := x509.NewCertPool()
	servers.AddCert(set.Authority.Certificate)

	return &tls.Config{Certificates: []tls.Certificate{pair.TLS()}, RootCAs: servers, ServerName: "127.0.0.1", NextProtos: []string{"h2"}}
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
