package daemon_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/credentials"
)

// remote is a daemon as others see it over the network.
type remote struct {
	*daemon
	host        *host
	address     string
	credentials string // directory
}

// listening makes credentials for a host, and has its daemon listen.
func listening(h *host, address string) string {
	h.t.Helper()

	directory := filepath.Join(h.dir, "cred")
	name, _, err := net.SplitHostPort(address)
	must(h.t, err)
	h.cli("credentials", "init", "--credentials", directory, "--endpoint", name).done(h.t)

	h.flags = []string{"--listen", address, "--credentials", directory}

	return directory
}

func startListening(t *testing.T, h *host, address string) *remote {
	t.Helper()

	r := &remote{host: h, credentials: listening(h, address)}
	r.daemon = h.start()

	info, err := r.client.Extactor.Info(t.Context(), &apiv1.InfoRequest{})
	must(t, err)

	r.address = info.GetPlaces().GetListen()[0] // the port is of the kernel's choice

	return r
}

// talosconfig makes the file of a client with a role, and returns its path.
func (r *remote) talosconfig(role string) string {
	r.host.t.Helper()

	path := filepath.Join(r.host.dir, "talosconfig-"+role)
	r.host.cli("credentials", "client", "--credentials", r.credentials, "--role", role, "--endpoint", r.address, "--ttl", "1h", "-o", path).done(r.host.t)

	return path
}

// config is that of a client with a role.
func (r *remote) config(t *testing.T, role credentials.Role) *tls.Config {
	t.Helper()

	set, err := credentials.Read(r.credentials)
	must(t, err)
	pair, err := set.Authority.Client(role, time.Hour, time.Now())
	must(t, err)

	servers := x509.NewCertPool()
	servers.AddCert(set.Authority.Certificate)

	host, _, err := net.SplitHostPort(r.address)
	must(t, err)

	return &tls.Config{Certificates: []tls.Certificate{pair.TLS()}, RootCAs: servers, ServerName: host, NextProtos: []string{"h2"}}
}

// dial connects with a role.
func (r *remote) dial(t *testing.T, role credentials.Role, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()

	options = append(options, grpc.WithTransportCredentials(grpccredentials.NewTLS(r.config(t, role))))
	conn, err := grpc.NewClient("passthrough:///"+r.address, options...)
	must(t, err)
	t.Cleanup(func() { conn.Close() })

	return conn
}

// What talosctl does is done over the network by whoever has the role for it, and is recorded with who that was.
func TestNetwork(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("quiet", "restart: always", "serve")
	r := startListening(t, h, "127.0.0.1:0")
	r.started(t, 0, "ext-quiet")

	ctx := metadata.AppendToOutgoingContext(t.Context(), "nodes", "127.0.0.1") // as talosctl does
	reader, operator := machine.NewMachineServiceClient(r.dial(t, credentials.Reader)), machine.NewMachineServiceClient(r.dial(t, credentials.Operator))

	list, err := reader.ServiceList(ctx, &emptypb.Empty{})
	must(t, err)

	if !slices.ContainsFunc(list.GetMessages()[0].GetServices(), func(info *machine.ServiceInfo) bool { return info.GetId() == "ext-quiet" }) {
		t.Errorf("services: %v", list)
	}

	_, err = reader.ServiceRestart(ctx, &machine.ServiceRestartRequest{Id: "ext-quiet"})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("a reader restarts a service: %v", err)
	}

	answer, err := operator.ServiceRestart(ctx, &machine.ServiceRestartRequest{Id: "ext-quiet"})
	must(t, err)
	matches(t, "answer", answer.GetMessages()[0].GetResp(), `Service "ext-quiet" restarted`)

	var by []string

	for line := range bytes.Lines([]byte(h.cli("events", "quiet", "-o", "json", "--tail", "-1").done(t))) {
		var event struct {
			Message string
			Origin  struct{ Via, Remote string }
		}

		must(t, json.Unmarshal(line, &event))

		if event.Origin.Via == "network" {
			by = append(by, event.Message+" by "+event.Origin.Remote)
		}
	}

	if len(by) == 0 {
		t.Fatal("nothing is recorded to have come over the network")
	}

	matches(t, "record", by[0], `Restart requested by os:operator \([0-9a-f]{16}\) from 127\.0\.0\.1:\d+`)
	matches(t, "info", h.cli("info").done(t), `(?s).*\nLISTEN +127\.0\.0\.1:\d+\n.*`)
	r.console.await(t, "the address", func(line string) bool {
		return strings.Contains(line, "listens on the network") && strings.Contains(line, r.address)
	})
	r.console.await(t, "the refusal", func(line string) bool {
		return strings.Contains(line, "needs the role os:operator; this certificate has os:reader")
	})
}

// The next daemon listens on the port of the one before, although clients are connected to that.
func TestNetworkAfterAnUpgrade(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	r := startListening(t, h, "127.0.0.1:0")
	h.flags[1] = r.address

	conn := r.dial(t, credentials.Reader)
	ask := func() error {
		_, err := machine.NewMachineServiceClient(conn).ServiceList(t.Context(), &emptypb.Empty{}, grpc.WaitForReady(true))

		return err
	}

	must(t, ask())
	h.end(unix.SIGUSR1)
	h.start()
	must(t, ask())
}

// Certificates that are replaced are shown to whoever connects from then on; whoever is connected stays so.
func TestRotatedCertificateIsServed(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	r := startListening(t, h, "127.0.0.1:0")

	before := r.dial(t, credentials.Reader)
	watch, err := apiv1.NewExtactorClient(before).WatchStatus(t.Context(), &apiv1.StatusRequest{})
	must(t, err)
	_, err = watch.Recv()
	must(t, err)

	old := r.shown(t)
	h.cli("credentials", "rotate", "--ca", "--credentials", r.credentials).done(t)

	changed := make(chan struct{})

	go func() {
		defer close(changed)

		for look := time.NewTicker(100 * time.Millisecond); ; <-look.C {
			if now := r.shown(t); now == nil || !now.Equal(old) {
				return
			}
		}
	}()

	select {
	case <-changed:
	case <-time.After(patience):
		t.Fatal("the certificate is still the old one")
	}

	_, err = machine.NewMachineServiceClient(r.dial(t, credentials.Reader)).ServiceList(t.Context(), &emptypb.Empty{})
	must(t, err)

	h.service("late", "restart: never", "serve")

	if _, err := watch.Recv(); err != nil {
		t.Errorf("a connection from before has ended: %v", err)
	}

	// Once the CA of before is dropped, so is who was let in by it.
	h.cli("credentials", "rotate", "--drop-old", "--credentials", r.credentials).done(t)

	for err = nil; err == nil; {
		_, err = watch.Recv()
	}

	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("whoever was let in by a CA that was dropped was told %v", err)
	}
}

// shown is the certificate that somebody sees who connects now; nil if nobody can.
func (r *remote) shown(t *testing.T) *x509.Certificate {
	t.Helper()

	conn, err := tls.Dial("tcp", r.address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Errorf("cannot connect: %v", err)

		return nil
	}
	defer conn.Close()

	return conn.ConnectionState().PeerCertificates[0]
}

// Services run although the network cannot be served; it is once what was in the way is gone.
func TestServicesDoNotWaitForTheNetwork(t *testing.T) {
	t.Parallel()

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()

	h := newHost(t)
	h.service("quiet", "restart: always", "serve")

	address, directory := taken.Addr().String(), filepath.Join(h.dir, "cred")
	h.flags = []string{"--listen", address, "--credentials", directory}

	r := &remote{daemon: h.start(), host: h, credentials: directory, address: address}
	r.started(t, 0, "ext-quiet")

	said := func(cause string) {
		t.Helper()
		r.console.await(t, cause, func(line string) bool {
			return strings.Contains(line, "the API is not served on the network; services run all the same") && strings.Contains(line, cause)
		})

		if info := h.cli("info").done(t); !strings.Contains(info, "nowhere on the network; ") || !strings.Contains(info, cause) {
			t.Errorf("info does not say %q:\n%s", cause, info)
		}
	}

	said("extactor credentials init --endpoint HOST")
	h.cli("credentials", "init", "--credentials", directory, "--endpoint", "127.0.0.1").done(t)
	said("another program listens there")
	taken.Close()

	_, err = machine.NewMachineServiceClient(r.dial(t, credentials.Reader)).ServiceList(t.Context(), &emptypb.Empty{}, grpc.WaitForReady(true))
	must(t, err)
	matches(t, "info", h.cli("info").done(t), `(?s).*\nLISTEN +`+address+`\n.*`)

	must(t, os.WriteFile(filepath.Join(directory, "server.crt"), []byte("garbage"), 0o600))
	until(t, "info tells of the garbage", func() bool {
		return strings.Contains(h.cli("info").done(t), "server.crt: there is no certificate in it; it is PEM text (-----BEGIN CERTIFICATE-----); those from before go on being used")
	})
}
