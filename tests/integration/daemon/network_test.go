package daemon_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
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

	shown := tls.Certificate{PrivateKey: pair.Key}
	for _, link := range pair.Chain {
		shown.Certificate = append(shown.Certificate, link.Raw)
	}

	return &tls.Config{Certificates: []tls.Certificate{shown}, RootCAs: servers, ServerName: host, NextProtos: []string{"h2"}}
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

// Strangers and clients that break every rule neither hold up what people do on the host nor leave anything behind in the
// daemon.
func TestHostileNetwork(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("loud", "restart: always", "flood")
	h.service("quiet", "restart: always", "serve")

	r := startListening(t, h, "127.0.0.1:0")
	r.started(t, 0, "ext-loud")
	r.started(t, 0, "ext-quiet")

	before := r.usage(t)
	guests := r.invade(t)

	// In the middle of all that, a person's commands are done, here and over the network.
	h.cli("service", "quiet", "restart").done(t)
	h.cli("status", "quiet").done(t)

	_, err := machine.NewMachineServiceClient(guests).ServiceList(t.Context(), &emptypb.Empty{})
	must(t, err)

	for _, reason := range []string{"does not speak TLS", "showed no certificate", "did not complete the TLS handshake in time"} {
		r.console.await(t, reason, func(line string) bool { return strings.Contains(line, reason) })
	}

	guests.Close()

	// The daemon keeps readers of its database for later; one guest of hundreds that is left would not be seen, twenty are.
	const kept = 4

	r.settles(t, "the clients are gone", func(now *apiv1.Usage) bool {
		return now.GetDescriptors() <= before.GetDescriptors()+kept && now.GetGoroutines() <= before.GetGoroutines()+kept
	})
}

// invade comes as everybody who should not, and returns a connection with streams that nobody reads.
func (r *remote) invade(t *testing.T) *grpc.ClientConn {
	t.Helper()

	stranger := r.config(t, credentials.Admin)
	stranger.Certificates = nil

	for range 100 {
		scanner, err := net.Dial("tcp", r.address)
		must(t, err)
		scanner.Close()

		conn, err := tls.Dial("tcp", r.address, stranger)
		must(t, err) // a client of TLS 1.3 hears of it later
		conn.Close()
	}

	for range 20 { // the time of each runs out
		for _, first := range []string{"", "\x16\x03\x01\x02\x00", "GET / HTTP/1.1\r\nHost: extactor\r\n\r\n"} {
			conn, err := net.Dial("tcp", r.address)
			must(t, err)
			t.Cleanup(func() { conn.Close() })

			_, err = conn.Write([]byte(first))
			must(t, err)
		}
	}

	known := r.config(t, credentials.Reader)

	for range 10 { // known, and mute
		conn, err := tls.Dial("tcp", r.address, known)
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		must(t, conn.Handshake())
	}

	deaf := r.dial(t, credentials.Reader)

	for range 20 {
		_, err := machine.NewMachineServiceClient(deaf).Logs(t.Context(), &machine.LogsRequest{Id: "ext-loud", Follow: true, TailLines: -1})
		must(t, err)
		_, err = apiv1.NewExtactorClient(deaf).Events(t.Context(), &apiv1.EventsRequest{Follow: true})
		must(t, err)
	}

	return deaf
}

// A client whose machine vanishes without a word is forgotten, whether it has just connected or follows a log.
func TestVanishedPeer(t *testing.T) {
	t.Parallel()

	netns, other := newNetns(t), newNetns(t)
	ip(t, "-n", netns, "link", "add", "wire0", "type", "veth", "peer", "name", "wire0", "netns", other)

	for namespace, address := range map[string]string{netns: "192.0.2.1/24", other: "192.0.2.2/24"} {
		ip(t, "-n", namespace, "address", "add", address, "dev", "wire0")
		ip(t, "-n", namespace, "link", "set", "wire0", "up")
	}

	h := newHost(t)
	h.netns = netns
	h.service("loud", "restart: always", "flood")
	r := startListening(t, h, "192.0.2.1:0")
	r.started(t, 0, "ext-loud")

	before := r.usage(t)

	conn := r.dial(t, credentials.Reader, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return dialFrom(other, address)
	}))

	logs, err := machine.NewMachineServiceClient(conn).Logs(t.Context(), &machine.LogsRequest{Id: "ext-loud", Follow: true})
	must(t, err)
	_, err = logs.Recv()
	must(t, err)

	watch, err := apiv1.NewExtactorClient(conn).WatchStatus(t.Context(), &apiv1.StatusRequest{})
	must(t, err)
	_, err = watch.Recv()
	must(t, err)

	silent, err := dialFrom(other, r.address)
	must(t, err)
	defer silent.Close()

	ip(t, "-n", other, "link", "set", "wire0", "down")

	r.settles(t, "the peer has vanished", func(now *apiv1.Usage) bool {
		return now.GetDescriptors() <= before.GetDescriptors() && now.GetGoroutines() <= before.GetGoroutines()
	})
}

// dialFrom connects from a network namespace. A socket stays in the one it was made in; the thread is not used again.
func dialFrom(netns, address string) (net.Conn, error) {
	type dialed struct {
		conn net.Conn
		err  error
	}

	done := make(chan dialed)

	go func() {
		runtime.LockOSThread()

		handle, err := unix.Open("/run/netns/"+netns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(handle)

			err = unix.Setns(handle, unix.CLONE_NEWNET)
		}

		if err != nil {
			done <- dialed{err: err}

			return
		}

		conn, err := net.Dial("tcp", address)
		done <- dialed{conn, err}
	}()

	result := <-done

	return result.conn, result.err
}

// What keeps the daemon from listening is said before anything is started.
func TestListenMistakes(t *testing.T) {
	t.Parallel()

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()

	h := newHost(t)
	listening(h, taken.Addr().String())
	directory := filepath.Join(h.dir, "none")

	for _, row := range []struct {
		name  string
		flags []string
		says  string
	}{
		{"port in use", h.flags, fmt.Sprintf("cannot listen on %q: another program listens there", taken.Addr())},
		{"no port", []string{"--listen", "127.0.0.1", "--credentials", h.flags[3]}, `it is not ADDRESS:PORT, :PORT or [IPV6]:PORT`},
		{"no credentials", []string{"--listen", "127.0.0.1:0", "--credentials", directory}, "extactor credentials init --endpoint HOST"},
	} {
		h.flags = row.flags
		d := h.launch()
		h.awaitEnd()

		if d.command.ProcessState.ExitCode() != 1 || !strings.Contains(d.said(), row.says) {
			t.Errorf("%s: exit code %d, want %q:\n%s", row.name, d.command.ProcessState.ExitCode(), row.says, d.said())
		}
	}
}
