package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/credentials"
)

// askRemote asks a daemon on the network something that a reader may ask, and words what went wrong.
func askRemote(t *testing.T, remote Remote) error {
	t.Helper()

	client, err := DialRemote(remote)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	_, err = client.Machine.Version(ctx, &emptypb.Empty{})

	return client.Explain(err)
}

// unnamed is a client's configuration as a talosconfig gives it: the name of the server is that of the address.
func unnamed(config *tls.Config) *tls.Config {
	config.ServerName = ""

	return config
}

func TestRemoteIsReached(t *testing.T) {
	h := start(t, newServices(view("ext-a", "Running", 1)), newJournal())
	r := serveRemote(t, h, networkLimits)
	config := unnamed(r.clientConfig(t, credentials.Reader))

	for _, node := range []string{"", "127.0.0.1", "localhost", "vm.example"} {
		if err := askRemote(t, Remote{Address: r.address, Node: node, TLS: config}); err != nil {
			t.Errorf("for %q: %v", node, err)
		}
	}

	err := askRemote(t, Remote{Address: r.address, Node: "192.0.2.9", TLS: config})
	if err == nil || !strings.Contains(err.Error(), "no request forwarding") {
		t.Errorf("for another node: %v", err)
	}

	client, err := DialRemote(Remote{Address: r.address, TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	_, err = client.Extactor.Stop(t.Context(), &apiv1.ServiceRequest{Id: "a"})
	if err := client.Explain(err); err == nil || !strings.Contains(err.Error(), "Stop needs the role os:operator, and your certificate has os:reader; make one that has it: extactor credentials client --role operator") {
		t.Errorf("a reader's stop: %v", err)
	}
}

// Each way in which no connection comes about is told from the others.
func TestRemoteRejections(t *testing.T) {
	h := start(t, newServices(), newJournal())
	r := serveRemote(t, h, networkLimits)
	stranger := newRemote(t)
	good := r.clientConfig(t, credentials.Reader)

	trustsOther := good.Clone()
	trustsOther.RootCAs = x509.NewCertPool()
	trustsOther.RootCAs.AddCert(stranger.authority.Certificate)

	asServer := good.Clone()
	asServer.Certificates = r.serverConfig(t).Certificates

	nobody := good.Clone()
	nobody.Certificates = nil

	port := r.address[strings.LastIndexByte(r.address, ':'):]

	for name, test := range map[string]struct {
		address string
		config  *tls.Config
		want    string
	}{
		"another CA of the server": {r.address, trustsOther, `is not signed by the CA of context "home"`},
		"another CA of the client": {r.address, withClient(good, stranger.clientConfig(t, credentials.Admin)), `does not know the CA by which the certificate of context "home" is signed`},
		"another name":             {"localhost" + port, good, "its certificate is for vm.example, 127.0.0.1, ::1, not for localhost: use one of these names, or, on the node: extactor credentials rotate --endpoint vm.example,127.0.0.1,::1,localhost"},
		"an expired client":        {r.address, withClient(good, expiredClient(t, r)), "your certificate expired at "},
		"a server's certificate":   {r.address, asServer, "for none of a client"},
		"no certificate":           {r.address, nobody, `wants a client's certificate, and context "home" has none`},
		"nobody listens":           {closedPort(t), good, "nothing listens there; on the node: extactor daemon --listen :50000"},
		"no TLS":                   {listen(t, func(conn net.Conn) { _, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }), good, "does not speak TLS"},
		"closes":                   {listen(t, func(net.Conn) {}), good, "is closed by the other side"},
		"says nothing":             {listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }), good, "no answer within 5s"},
		"an unknown host":          {"no-such-host.invalid", good, "no-such-host.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			err := askRemote(t, Remote{Address: test.address, Context: "home", TLS: unnamed(test.config.Clone())})
			if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v\nnot: %s", err, test.want)
			}
		})
	}
}

// withClient is a configuration with the certificate of another one.
func withClient(config, other *tls.Config) *tls.Config {
	config = config.Clone()
	config.Certificates = other.Certificates

	return config
}

// expiredClient has a certificate by the CA of the server that ended before now.
func expiredClient(t *testing.T, r *remote) *tls.Config {
	t.Helper()

	// The CA is valid from an hour ago on.
	return r.clientConfigFor(t, time.Minute, time.Now().Add(-30*time.Minute))
}

// clientConfigFor is that of a client with a certificate of another length, made at another time.
func (r *remote) clientConfigFor(t *testing.T, ttl time.Duration, at time.Time) *tls.Config {
	t.Helper()

	pair, err := r.authority.Client(credentials.Reader, ttl, at)
	if err != nil {
		t.Fatal(err)
	}

	return &tls.Config{Certificates: []tls.Certificate{pair.TLS()}}
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	address := listener.Addr().String()
	listener.Close()

	return address
}

// listen does the same with everybody who connects, and closes the connection.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { listener.Close() })

	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			serve(conn)
			conn.Close()
		}
	}()

	return listener.Addr().String()
}

func TestWithPort(t *testing.T) {
	for address, want := range map[string]string{
		"10.5.0.2": "10.5.0.2:50000", "10.5.0.2:1": "10.5.0.2:1", "fd00::1": "[fd00::1]:50000", "[fd00::1]": "[fd00::1]:50000",
		"[fd00::1]:1": "[fd00::1]:1", "node-a": "node-a:50000",
	} {
		if got := withPort(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

// What cannot be brought about on loopback.
func TestReasons(t *testing.T) {
	r := newRemote(t)
	client := r.clientConfig(t, credentials.Reader)
	attempt := &attempt{address: "10.5.0.2:50000", remote: Remote{TLS: client}}
	server := r.serverConfig(t).Certificates[0].Leaf

	ended, early := *server, *server
	ended.NotAfter = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	early.NotBefore = time.Now().Add(time.Hour)

	invalid := func(certificate *x509.Certificate) error {
		return &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: certificate, Reason: x509.Expired}}
	}
	alert := func(text string) error { return &net.OpError{Op: "remote error", Err: errors.New("tls: " + text)} }

	for _, test := range []struct {
		err  error
		want string
	}{
		{invalid(&ended), "its certificate expired at 2026-01-02T03:04:05Z; on the node: extactor credentials rotate"},
		{invalid(&early), "and the clock of this machine says "},
		{alert("expired certificate"), "by the clock of this machine, and not by that of the node: compare them"},
		{alert("no application protocol"), "is no extactor"},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "no answer within 5s; the node is down, or a firewall is between"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, "no route to host"},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "is closed by the other side"},
	} {
		if got := attempt.word(test.err).Error(); !strings.Contains(got, test.want) || !strings.HasPrefix(got, "cannot connect to 10.5.0.2:50000: ") {
			t.Errorf("%v: %s\nnot: %s", test.err, got, test.want)
		}
	}
}
