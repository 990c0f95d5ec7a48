package credentials

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clock is a time that tests set.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

// made are credentials for this machine, in a directory of the test.
func made(t testing.TB, options Options) (string, *Set) {
	t.Helper()

	dir := filepath.Join(t.TempDir(), "credentials")
	if options.Names == nil {
		options.Names = []string{"127.0.0.1", "localhost"}
	}

	set, err := Create(dir, options, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	return dir, set
}

// client is the configuration of who has a certificate, and knows the CAs, of a set.
func client(t testing.TB, set *Set, role Role) *tls.Config {
	t.Helper()

	pair, err := set.Authority.Client(role, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(set.TrustedPEM()) {
		t.Fatal("no CA")
	}

	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair.TLS()}, NextProtos: []string{"h2"}, ServerName: "localhost"}
}

// served greets whoever gets in, and tells the roles of their certificate.
func served(t *testing.T, server *Server) string {
	t.Helper()

	listener, err := tls.Listen("tcp", "127.0.0.1:0", server.TLSConfig())
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

			secured := conn.(*tls.Conn)
			if secured.HandshakeContext(context.Background()) == nil {
				for _, role := range RolesOf(secured.ConnectionState().PeerCertificates[0]) {
					_, _ = io.WriteString(conn, string(role))
				}
			}

			conn.Close()
		}
	}()

	return listener.Addr().String()
}

// greeting connects and returns what the server says, or why it does not.
func greeting(address string, config *tls.Config) string {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, config)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()

	said, err := io.ReadAll(conn)
	if err != nil {
		return err.Error()
	}

	return string(said)
}

func unreported(t *testing.T) func(error) {
	return func(err error) { t.Errorf("reported: %v", err) }
}

func opened(t *testing.T, dir string, report func(error)) *Server {
	t.Helper()

	server, err := OpenServer(dir, report)
	if err != nil {
		t.Fatal(err)
	}

	return server
}

func TestServerLetsInByRole(t *testing.T) {
	dir, set := made(t, Options{})
	address := served(t, opened(t, dir, unreported(t)))

	for _, role := range Roles() {
		if got := greeting(address, client(t, set, role)); got != string(role) {
			t.Errorf("%s: %q", role, got)
		}
	}

	_, other := made(t, Options{})
	stranger := client(t, other, Admin)
	stranger.RootCAs = client(t, set, Admin).RootCAs

	// Go's clients show nothing where the server asks for a certificate by another CA, unless they are made to.
	insistent := stranger.Clone()
	insistent.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &stranger.Certificates[0], nil
	}

	// What a server shows must not let anybody in as a client.
	asServer := client(t, set, Admin)
	asServer.Certificates = []tls.Certificate{set.Server.TLS()}

	old := client(t, set, Admin)
	old.MaxVersion = tls.VersionTLS12

	nobody := client(t, set, Admin)
	nobody.Certificates = nil

	for name, test := range map[string]struct {
		config *tls.Config
		want   string
	}{
		"a certificate by another CA": {insistent, "unknown certificate authority"},
		"the same, as talosctl does":  {stranger, "certificate required"},
		"that of the server":          {asServer, "bad certificate"},
		"none":                        {nobody, "certificate required"},
		"TLS 1.2":                     {old, "protocol version not supported"},
	} {
		if got := greeting(address, test.config); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, not %q", name, got, test.want)
		}
	}
}

// On a device that has come up in 1970 clients get in; those whose certificate has ended do not, once the clock is set.
func TestClockThatIsNotSet(t *testing.T) {
	dir, set := made(t, Options{})
	server := opened(t, dir, unreported(t))
	clock := &clock{at: time.Unix(60, 0)}
	server.now = clock.now
	server.config = set.serverConfig(clock.now)
	server.looked = clock.at

	address, config := served(t, server), client(t, set, Reader)

	if got := greeting(address, config); got != string(Reader) {
		t.Errorf("in 1970: %q", got)
	}

	clock.at = time.Now().Add(2 * time.Hour)
	if got := greeting(address, config); !strings.Contains(got, "expired certificate") {
		t.Errorf("two hours later: %q", got)
	}
}

// A server follows its files. What does not fit together changes nothing, and is reported once, when it stays so.
func TestServerFollowsItsFiles(t *testing.T) {
	dir, first := made(t, Options{})

	var reported []string

	server := opened(t, dir, func(err error) { reported = append(reported, err.Error()) })
	clock := &clock{at: time.Now()}
	server.now = clock.now

	shown := func() *x509.Certificate { return server.current().Certificates[0].Leaf }

	second, err := Rotate(dir, Rotation{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	if !shown().Equal(first.Server.Chain[0]) {
		t.Error("the files are read more often than once a second")
	}

	clock.advance(lookEvery)

	if !shown().Equal(second.Server.Chain[0]) {
		t.Error("the new certificate is not shown")
	}

	foreign, err := first.Server.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}

	if err := WriteFile(filepath.Join(dir, serverKeyFile), foreign); err != nil {
		t.Fatal(err)
	}

	for look := range 4 {
		clock.advance(lookEvery)

		if !shown().Equal(second.Server.Chain[0]) {
			t.Error("what does not fit is shown")
		}

		if want := min(look, 1); len(reported) != want {
			t.Errorf("after %d looks %d are reported: %q", look+1, len(reported), reported)
		}

		if said := server.Problem(); !strings.Contains(said, "does not belong to server.crt: ") || !strings.HasSuffix(said, "; those from before go on being used") {
			t.Errorf("the problem is %q", said)
		}
	}

	if want := "server.key does not belong to server.crt"; len(reported) == 0 || !strings.Contains(reported[0], want) {
		t.Errorf("reported %q, not %q", reported, want)
	}

	own, err := second.Server.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}

	if err := WriteFile(filepath.Join(dir, serverKeyFile), own); err != nil {
		t.Fatal(err)
	}

	clock.advance(lookEvery)

	if said := server.Problem(); said != "" {
		t.Errorf("the problem is %q, and there is none", said)
	}

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}

	for range 2 {
		clock.advance(lookEvery)

		if !shown().Equal(second.Server.Chain[0]) {
			t.Error("nothing is shown any more")
		}
	}

	if len(reported) != 2 || !strings.Contains(reported[1], ErrNone.Error()) {
		t.Errorf("reported %q", reported)
	}
}

// While the disk hangs, clients are let in by what was there before; by what is there once it does not.
func TestServerDoesNotWaitForTheDisk(t *testing.T) {
	dir, first := made(t, Options{})
	server := opened(t, dir, unreported(t))
	clock := &clock{at: time.Now()}
	server.now = clock.now

	read, proceed, done := server.read, make(chan struct{}), make(chan struct{})
	server.read = func() (contents, *Set, error) {
		defer close(done)
		<-proceed

		return read()
	}

	second, err := Rotate(dir, Rotation{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	for range 3 {
		clock.advance(lookEvery)

		if !server.current().Certificates[0].Leaf.Equal(first.Server.Chain[0]) {
			t.Error("what cannot be read is shown")
		}
	}

	close(proceed)
	<-done

	for late := time.After(20 * lookPatience); !server.current().Certificates[0].Leaf.Equal(second.Server.Chain[0]); {
		select {
		case <-late:
			t.Fatal("what can be read again is not shown")
		default:
		}
	}
}

func TestServerTellsOfItsEnd(t *testing.T) {
	dir, set := made(t, Options{})

	var reported []string

	server := opened(t, dir, unreported(t))
	server.report = func(err error) { reported = append(reported, err.Error()) }

	for _, at := range []time.Duration{-warnBefore - time.Hour, -warnBefore + time.Hour, -time.Hour, time.Hour, 2 * time.Hour} {
		server.now = func() time.Time { return set.end().Add(at) }
		server.current()

		if said := server.Problem(); said != "" != (len(reported) > 0) || said != "" && said != reported[len(reported)-1] {
			t.Errorf("the problem is %q, and reported was %q", said, reported)
		}
	}

	if len(reported) != 2 || !strings.Contains(reported[0], " end at ") || !strings.Contains(reported[1], " have ended at ") ||
		!strings.Contains(reported[1], "extactor credentials rotate") {
		t.Errorf("reported %q", reported)
	}
}

func TestOpenServerRefuses(t *testing.T) {
	if _, err := OpenServer(filepath.Join(t.TempDir(), "none"), unreported(t)); !errors.Is(err, ErrNone) {
		t.Errorf("an absent directory: %v", err)
	}

	_, other := made(t, Options{})

	for name, test := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"a directory for everybody": {func(dir string) error { return os.Chmod(dir, 0o777) }, "may be written by others (mode 0777)"},
		"a key for everybody":       {func(dir string) error { return os.Chmod(filepath.Join(dir, serverKeyFile), 0o644) }, "others may read this key (mode 0644): chmod 600"},
		"a missing file":            {func(dir string) error { return os.Remove(filepath.Join(dir, serverKeyFile)) }, "server.key is missing"},
		"no PEM":                    {func(dir string) error { return WriteFile(filepath.Join(dir, authorityFile), []byte("x")) }, "ca.crt: there is no certificate in it"},
		"no key": {func(dir string) error { return WriteFile(filepath.Join(dir, serverKeyFile), []byte("x")) },
			"server.key: there is no private key in it"},
		"the CA of others": {func(dir string) error {
			if err := os.Remove(filepath.Join(dir, authorityKeyFile)); err != nil {
				return err
			}

			return WriteFile(filepath.Join(dir, authorityFile), other.TrustedPEM())
		}, "which is neither in ca.crt"},
		"the key of another CA": {func(dir string) error { return WriteFile(filepath.Join(dir, authorityFile), other.TrustedPEM()) },
			"ca.key does not belong to ca.crt"},
		"no CA": {func(dir string) error {
			return WriteFile(filepath.Join(dir, acceptedFile), other.Server.CertificatePEM())
		}, "is no certificate of a CA"},
		"two CAs": {func(dir string) error {
			content, err := os.ReadFile(filepath.Join(dir, authorityFile))
			if err != nil {
				return err
			}

			return WriteFile(filepath.Join(dir, authorityFile), append(content, other.TrustedPEM()...))
		}, "CAs that are accepted besides are in accepted.crt"},
		"a FIFO": {func(dir string) error {
			path := filepath.Join(dir, authorityFile)

			return errors.Join(os.Remove(path), fifo(path))
		}, "is no file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := made(t, Options{})
			if err := test.spoil(dir); err != nil {
				t.Fatal(err)
			}

			if _, err := OpenServer(dir, unreported(t)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, not %q", err, test.want)
			}
		})
	}
}
