package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
)

func remoteOfOneService(t *testing.T, limits limits) *remote {
	t.Helper()

	return serveRemote(t, start(t, newServices(view("ext-a", events.StateRunning, 1)), newJournal()), limits)
}

// raw opens a connection without a handshake.
func (r *remote) raw(t testing.TB, first string) net.Conn {
	t.Helper()

	conn, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { conn.Close() })

	if _, err := conn.Write([]byte(first)); err != nil {
		t.Fatal(err)
	}

	return conn
}

// closes waits until the other end closes the connection.
func closes(t testing.TB, conn net.Conn) {
	t.Helper()

	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}

	if _, err := io.Copy(io.Discard, conn); err != nil && errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// answers makes a call that must succeed.
func answers(t testing.TB, client *Client) {
	t.Helper()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	if _, err := client.Machine.ServiceList(ctx, &emptypb.Empty{}); err != nil {
		t.Errorf("a client with a certificate is not answered: %v", err)
	}
}

// settles waits until so many goroutines are left. Nothing tells when one has ended.
func settles(t *testing.T, goroutines int) {
	t.Helper()

	late := time.After(patience)

	for look := time.NewTicker(10 * time.Millisecond); ; {
		if runtime.NumGoroutine() <= goroutines {
			return
		}

		select {
		case <-look.C:
		case <-late:
			var stacks bytes.Buffer
			buffer := make([]byte, 1<<20)
			stacks.Write(buffer[:runtime.Stack(buffer, true)])
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), goroutines, stacks.String())
		}
	}
}

// handshake fails as a client with this configuration does.
func (r *remote) handshake(t *testing.T, config *tls.Config) {
	t.Helper()

	conn := r.raw(t, "")
	client := tls.Client(conn, config)

	if err := client.Handshake(); err == nil { // a client of TLS 1.3 is done before it is judged
		_, err = client.Read(make([]byte, 1))
		if err == nil {
			t.Error("a client that must be refused is answered")
		}
	}

	conn.Close()
}

// stubborn shows its certificate also where the server says that it knows no such CA.
func stubborn(config *tls.Config) *tls.Config {
	shown := config.Certificates[0]
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }

	return config
}

// Why somebody was turned away is told, once, and nothing is left of it.
func TestStrangersAreTurnedAway(t *testing.T) {
	r := remoteOfOneService(t, networkLimits)
	answers(t, r.dial(t, credentials.Reader))

	other, err := credentials.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}

	future, err := credentials.NewAuthority(time.Now().Add(48 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}

	reader := func(change func(*tls.Config)) *tls.Config {
		config := r.clientConfig(t, credentials.Reader)
		config.NextProtos = []string{"h2"}
		change(config)

		return config
	}

	before := runtime.NumGoroutine()

	for _, row := range []struct {
		name string
		come func(t *testing.T)
		says []string
	}{
		{"plain HTTP", func(t *testing.T) { closes(t, r.raw(t, "GET / HTTP/1.1\r\nHost: extactor\r\n\r\n")) }, []string{"does not speak TLS"}},
		{"HTTP/2 without TLS", func(t *testing.T) { closes(t, r.raw(t, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) }, nil}, // same cause, same address: once
		{"no certificate", func(t *testing.T) {
			r.handshake(t, reader(func(c *tls.Config) { c.Certificates = nil }))
		}, []string{"showed no certificate"}},
		{"wrong CA", func(t *testing.T) {
			r.handshake(t, stubborn(r.clientConfigAt(t, other, credentials.Admin, time.Now())))
		}, []string{`"os:admin"`, "not signed by the CA of this host"}},
		{"expired", func(t *testing.T) {
			pair, err := r.authority.Client(credentials.Admin, credentials.ShortestTTL, time.Now().Add(-30*time.Minute))
			if err != nil {
				t.Fatal(err)
			}

			r.handshake(t, reader(func(c *tls.Config) { c.Certificates = []tls.Certificate{pair.TLS()} }))
		}, []string{"expired at"}},
		{"not yet valid", func(t *testing.T) {
			r.handshake(t, stubborn(r.clientConfigAt(t, future, credentials.Admin, time.Now().Add(48*time.Hour))))
		}, []string{"is not valid before", "is a clock wrong?"}},
		{"a certificate for servers", func(t *testing.T) {
			pair, err := r.authority.Server([]string{"x"}, time.Now())
			if err != nil {
				t.Fatal(err)
			}

			r.handshake(t, reader(func(c *tls.Config) { c.Certificates = []tls.Certificate{pair.TLS()} }))
		}, []string{"not a client's"}},
		{"TLS 1.2", func(t *testing.T) { r.handshake(t, reader(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })) }, []string{"does not speak TLS 1.3"}},
		{"no HTTP/2", func(t *testing.T) { r.handshake(t, reader(func(c *tls.Config) { c.NextProtos = nil })) }, []string{"does not speak HTTP/2"}},
		{"another protocol", func(t *testing.T) {
			r.handshake(t, reader(func(c *tls.Config) { c.NextProtos = []string{"imap"} }))
		}, nil},
		{"the server is not trusted", func(t *testing.T) {
			r.handshake(t, reader(func(c *tls.Config) { c.RootCAs = nil }))
		}, []string{"does not accept the certificate of this host: tls: bad certificate"}},
		{"the server is called by another name", func(t *testing.T) {
			r.handshake(t, reader(func(c *tls.Config) { c.ServerName = "elsewhere.example" }))
		}, []string{"; that is for vm.example, 127.0.0.1, ::1, and the client calls this host elsewhere.example"}},
		{"port scanner", func(t *testing.T) { r.raw(t, "").Close() }, nil},
		{"half a record", func(t *testing.T) { r.raw(t, "\x16\x03\x01\x02").Close() }, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			for range 3 {
				row.come(t)
			}

			if row.says != nil {
				r.hears(t, append(row.says, "127.0.0.1")...)
			}
		})
	}

	settles(t, before)

	if left := len(r.said); left != 0 {
		t.Errorf("told once more: %s", <-r.said)
	}

	answers(t, r.dial(t, credentials.Reader))
}

// A client that is refused hears why, although it has begun to speak by then.
func TestRefusedClientsHearWhy(t *testing.T) {
	r := remoteOfOneService(t, networkLimits)
	config := r.clientConfig(t, credentials.Reader)
	config.NextProtos, config.Certificates = []string{"h2"}, nil

	for range 50 {
		conn, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(grpccredentials.NewTLS(config)))
		if err != nil {
			t.Fatal(err)
		}

		_, err = machine.NewMachineServiceClient(conn).Version(t.Context(), &emptypb.Empty{})
		if err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Fatalf("the client was told %v", err)
		}

		conn.Close()
	}
}

// Whoever never gets to the point is closed when its time is over, however busy it seems.
func TestSlowHandshakeEnds(t *testing.T) {
	limits := networkLimits
	limits.handshake = time.Second
	r := remoteOfOneService(t, limits)

	closes(t, r.raw(t, "")) // silent
	r.hears(t, "did not complete the TLS handshake in time")

	dripping := r.raw(t, "\x16\x03\x01\x02\x00")
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		for range time.Tick(10 * time.Millisecond) {
			if _, err := dripping.Write([]byte{1}); err != nil {
				return
			}
		}
	}()

	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("byte by byte a handshake goes on for ever")
	}

	// Known by its certificate, but it never speaks HTTP/2.
	config := r.clientConfig(t, credentials.Reader)
	config.NextProtos = []string{"h2"}
	mute := tls.Client(r.raw(t, ""), config)

	if err := mute.Handshake(); err != nil {
		t.Fatal(err)
	}

	closes(t, mute)
}

// Clients that know a host by its address send no name: then it is the address that they have reached.
func TestAddressesThatAreNotInTheCertificate(t *testing.T) {
	own := newRemote(t).serverConfig(t)
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}

	for called, want := range map[string]bool{"127.0.0.1": false, "::1": false, "192.0.2.7": true, "fe80::1%eth0": true} {
		if _, reason := diagnose(alert, own, called); strings.HasSuffix(reason, "the client calls this host "+called) != want {
			t.Errorf("%s: %s", called, reason)
		}
	}
}
