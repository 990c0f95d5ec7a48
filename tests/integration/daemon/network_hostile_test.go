package daemon_test

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/credentials"
)

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

	r.forgets(t, "the clients are gone", before)
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

// Clients whose machine vanishes without a word are forgotten, whether they have just connected or follow a log.
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

	for range 6 {
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
	}

	ip(t, "-n", other, "link", "set", "wire0", "down")
	h.cli("service", "loud", "stop").done(t) // nobody hears it any more, and it takes a whole processor

	r.forgets(t, "the peers have vanished", before)
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
