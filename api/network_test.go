package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/credentials"
)

// patience is for what happens at once unless something is broken.
const patience = 20 * time.Second

// remote is the network side of a harness.
type remote struct {
	address   string
	authority *credentials.Authority
	said      chan string        // what was reported
	stop      context.CancelFunc // ends the server; closed once it has
	ended     chan struct{}
}

// serveRemote serves what the harness has to loopback as well.
func serveRemote(t *testing.T, h *harness, limits limits) *remote {
	t.Helper()

	r := newRemote(t)
	r.serveWith(t, h.server, limits, r.serverConfig(t))

	return r
}

func newRemote(t testing.TB) *remote {
	t.Helper()

	authority, err := credentials.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}

	return &remote{authority: authority, said: make(chan string, 1000), ended: make(chan struct{})}
}

func (r *remote) serveWith(t testing.TB, server *Server, limits limits, config *tls.Config) {
	t.Helper()

	listener, err := ListenNetwork("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	r.address = listener.Addr().String()

	var ctx context.Context

	ctx, r.stop = context.WithCancel(context.Background())
	network := Network{
		Listeners: []net.Listener{listener}, TLS: config,
		Report: func(err error) { r.said <- err.Error() },
	}

	go func() {
		defer close(r.ended)

		if err := server.serveNetwork(ctx, network, limits); err != nil {
			t.Error(err)
		}
	}()

	t.Cleanup(func() {
		r.stop()
		<-r.ended
	})
}

func (r *remote) serverConfig(t testing.TB) *tls.Config {
	t.Helper()

	pair, err := r.authority.Server([]string{"127.0.0.1", "::1", "vm.example"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	clients := x509.NewCertPool()
	clients.AddCert(r.authority.Certificate)

	return &tls.Config{Certificates: []tls.Certificate{pair.TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
}

// clientConfig is that of a client with a role.
func (r *remote) clientConfig(t testing.TB, role credentials.Role) *tls.Config {
	t.Helper()

	return r.clientConfigAt(t, r.authority, role, time.Now())
}

func (r *remote) clientConfigAt(t testing.TB, authority *credentials.Authority, role credentials.Role, now time.Time) *tls.Config {
	t.Helper()

	pair, err := authority.Client(role, time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}

	servers := x509.NewCertPool()
	servers.AddCert(r.authority.Certificate)

	return &tls.Config{Certificates: []tls.Certificate{pair.TLS()}, RootCAs: servers, ServerName: "127.0.0.1"}
}

// dial connects a client with a role.
func (r *remote) dial(t testing.TB, role credentials.Role) *Client {
	t.Helper()

	return r.dialWith(t, r.clientConfig(t, role))
}

func (r *remote) dialWith(t testing.TB, config *tls.Config) *Client {
	t.Helper()

	conn, err := grpc.NewClient("passthrough:///"+r.address, grpc.WithTransportCredentials(grpccredentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { conn.Close() })

	return &Client{Extactor: apiv1.NewExtactorClient(conn), Machine: machine.NewMachineServiceClient(conn), conn: conn}
}

// hears waits until something is reported that has all the words.
func (r *remote) hears(t testing.TB, words ...string) {
	t.Helper()

	late := time.After(patience)

	for {
		select {
		case said := <-r.said:
			if !missesAny(said, words) {
				return
			}

			t.Logf("reported: %s", said)
		case <-late:
			t.Fatalf("nothing was reported with %q", words)
		}
	}
}

func missesAny(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return true
		}
	}

	return false
}

func TestNetworkServesBothServices(t *testing.T) {
	h := start(t, newServices(view("ext-a", "Running", 1)), newJournal())
	client := serveRemote(t, h, networkLimits).dial(t, credentials.Reader)

	list, err := client.Machine.ServiceList(t.Context(), &emptypb.Empty{})
	if err != nil || len(list.GetMessages()[0].GetServices()) != 1 || list.GetMessages()[0].GetMetadata() != nil {
		t.Errorf("Talos's service: %v, %v", list, err)
	}

	status, err := client.Extactor.Status(t.Context(), &apiv1.StatusRequest{})
	if err != nil || len(status.GetServices()) != 1 {
		t.Errorf("our service: %v, %v", status, err)
	}

	for _, row := range []struct {
		name   string
		client *Client
		rbac   bool
	}{{"network", client, true}, {"unix socket", h.Client, false}} {
		version, err := row.client.Machine.Version(t.Context(), &emptypb.Empty{})
		if err != nil || version.GetMessages()[0].GetFeatures().GetRbac() != row.rbac {
			t.Errorf("%s: %v, %v; want rbac %v", row.name, version, err, row.rbac)
		}
	}
}

func wantRefusal(t *testing.T, err error, code codes.Code, part string) {
	t.Helper()

	if got := status.Convert(err); got.Code() != code || !strings.Contains(got.Message(), part) {
		t.Errorf("%s %q, want %s with %q", got.Code(), got.Message(), code, part)
	}
}
