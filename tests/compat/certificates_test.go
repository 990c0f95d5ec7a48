package compat_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// authority is a CA that signs whatever it is asked to.
type authority struct {
	certificate *x509.Certificate
	key         ed25519.PrivateKey
}

func block(t testing.TB, path string) []byte {
	t.Helper()

	text, err := os.ReadFile(path)
	must(t, err)

	decoded, _ := pem.Decode(text)
	if decoded == nil {
		t.Fatalf("%s is no PEM", path)
	}

	return decoded.Bytes
}

// authority is the CA of the node itself.
func (n *node) authority() authority {
	n.t.Helper()

	certificate, err := x509.ParseCertificate(block(n.t, n.path("pki/ca.crt")))
	must(n.t, err)

	key, err := x509.ParsePKCS8PrivateKey(block(n.t, n.path("pki/ca.key")))
	must(n.t, err)

	return authority{certificate: certificate, key: key.(ed25519.PrivateKey)}
}

func newAuthority(t testing.TB) authority {
	t.Helper()

	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)

	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"somebody else"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}

	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	must(t, err)

	certificate, err := x509.ParseCertificate(der)
	must(t, err)

	return authority{certificate: certificate, key: key}
}

// client signs a certificate with these organizations that is valid from and until so far from now.
func (a authority) client(t testing.TB, from, until time.Duration, usage x509.ExtKeyUsage, organizations ...string) tls.Certificate {
	t.Helper()

	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)

	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{Organization: organizations},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}

	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, public, a.key)
	must(t, err)

	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Who has no certificate, or one that is not valid here, gets nothing; client and daemon say why.
func TestCertificatesThatAreRefused(t *testing.T) {
	n := newNode(t)
	ours, strangers := n.authority(), newAuthority(t)

	const hour = time.Hour

	// Each has an address of its own, because the daemon repeats nothing about one.
	for name, row := range map[string]struct {
		address      string
		certificates []tls.Certificate
		client       string // what its error says
		daemon       string // what the daemon says
	}{
		"none":          {"127.0.0.11", nil, "certificate required", "certificate"},
		"expired":       {"127.0.0.12", []tls.Certificate{ours.client(t, -2*hour, -hour, x509.ExtKeyUsageClientAuth, "os:admin")}, "expired", "expired"},
		"not yet valid": {"127.0.0.13", []tls.Certificate{ours.client(t, hour, 2*hour, x509.ExtKeyUsageClientAuth, "os:admin")}, "certificate", "not valid"},
		"of another CA": {"127.0.0.14", []tls.Certificate{strangers.client(t, -hour, hour, x509.ExtKeyUsageClientAuth, "os:admin")}, "certificate required", "of another"},
		"of a server":   {"127.0.0.15", []tls.Certificate{ours.client(t, -hour, hour, x509.ExtKeyUsageServerAuth, "os:admin")}, "certificate", "certificate"},
		"without role":  {"127.0.0.16", []tls.Certificate{ours.client(t, -hour, hour, x509.ExtKeyUsageClientAuth)}, "os:reader", "role"},
		"unknown role":  {"127.0.0.17", []tls.Certificate{ours.client(t, -hour, hour, x509.ExtKeyUsageClientAuth, "os:superadmin")}, "os:superadmin", "os:superadmin"},
	} {
		t.Run(name, func(t *testing.T) {
			trusted := x509.NewCertPool()
			trusted.AddCert(ours.certificate)

			before := len(n.errors.String())
			stranger := n.dial(client.WithTLSConfig(&tls.Config{RootCAs: trusted, Certificates: row.certificates}), from(row.address))

			_, err := stranger.Version(t.Context())
			if code := client.StatusCode(err); code != codes.Unavailable && code != codes.PermissionDenied || !strings.Contains(err.Error(), row.client) {
				t.Errorf("the client was told %v, want %q", err, row.client)
			}

			n.errors.await(t, before, row.daemon)
		})
	}
}

// from lets a client connect from an address.
func from(address string) client.OptionFunc {
	return client.WithGRPCDialOptions(grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) {
		return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext(ctx, "tcp", to)
	}))
}

// A client that dials what the server's certificate is not for, or trusts another CA, finds out by itself.
func TestServersThatAreRefused(t *testing.T) {
	n := newNode(t)
	certificate := n.authority().client(t, -time.Hour, time.Hour, x509.ExtKeyUsageClientAuth, "os:reader")

	trusted, others := x509.NewCertPool(), x509.NewCertPool()
	trusted.AddCert(n.authority().certificate)
	others.AddCert(newAuthority(t).certificate)

	for name, row := range map[string]struct {
		config *tls.Config
		want   string
	}{
		"wrong name": {&tls.Config{RootCAs: trusted, ServerName: "elsewhere.example"}, "certificate is valid for"},
		"wrong CA":   {&tls.Config{RootCAs: others}, "unknown authority"},
		"old TLS":    {&tls.Config{RootCAs: trusted, MaxVersion: tls.VersionTLS12}, "protocol version"},
	} {
		t.Run(name, func(t *testing.T) {
			row.config.Certificates = []tls.Certificate{certificate}

			_, err := n.dial(client.WithTLSConfig(row.config)).Version(t.Context())
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("the client was told %v, want %q", err, row.want)
			}
		})
	}
}
