package api

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// remoteInfo is who is at the other end of a connection over the network, as its certificate says.
type remoteInfo struct {
	credentials.CommonAuthInfo
	subject     string              // common name
	fingerprint string              // the first 8 bytes of the certificate's SHA-256
	roles       []string            // its organizations
	names       []string            // of this host, as our own certificate says
	chain       []*x509.Certificate // its certificate first
	trusted     *x509.CertPool      // by which it was let in
	guest       *guest              // the connection
}

// AuthType implements credentials.AuthInfo.
func (remoteInfo) AuthType() string { return "tls" }

// who names a client: what its certificate is called, which anybody with the key of the CA may have chosen, and which one
// it is.
func (i remoteInfo) who() string {
	name := i.subject
	if name == "" {
		name = quoted(i.roles)
	}

	return fmt.Sprintf("%s (%s)", shortened(name, longestShown), i.fingerprint)
}

// remoteCaller returns who makes a call from the network; false for others.
func remoteCaller(ctx context.Context) (remoteInfo, bool) {
	caller, ok := peer.FromContext(ctx)
	if !ok {
		return remoteInfo{}, false
	}

	info, ok := caller.AuthInfo.(remoteInfo)

	return info, ok
}

// tlsCredentials are gRPC's transport over TLS, for a gate.
type tlsCredentials struct {
	trust trust
	gate  *gate
}

// ServerHandshake implements credentials.TransportCredentials. gRPC limits its time by a deadline of the connection.
func (c *tlsCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	guest := raw.(*guest) // what our listener accepts

	var (
		used   *tls.Config                          // for this one
		called = hostOf(guest.LocalAddr().String()) // how it calls this host
	)

	config := c.trust.config.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if hello.ServerName != "" { // which is never an address
			called = hello.ServerName
		}

		current, err := c.trust.current(hello)
		if err != nil {
			return nil, err
		}

		used = current.Clone()
		used.ClientAuth = tls.RequireAndVerifyClientCert
		used.GetConfigForClient = nil
		used.MinVersion = tls.VersionTLS13
		used.NextProtos = []string{"h2"}
		// Who comes back is looked at anew: what let it in may be valid no longer.
		used.SessionTicketsDisabled = true

		return used, nil
	}

	conn := tls.Server(guest, config)

	c.gate.slot <- struct{}{}
	err := conn.Handshake()
	<-c.gate.slot

	guest.handshaking = false

	if err == nil && conn.ConnectionState().NegotiatedProtocol == "" {
		err = errNotGRPC
	}

	if err != nil {
		c.gate.reports.failed(guest.RemoteAddr(), err, used, called)
		guest.hearOut()

		return nil, nil, err
	}

	info := remoteOf(conn.ConnectionState().PeerCertificates, used)
	info.guest = guest

	if err := guest.shown(info.fingerprint); err != nil {
		c.gate.reports.refuse(guest.RemoteAddr(), "full "+info.fingerprint, err.Error())

		return nil, nil, err
	}

	return conn, info, nil
}

var errNotGRPC = errors.New("the client does not offer the application protocol h2")

func remoteOf(chain []*x509.Certificate, used *tls.Config) remoteInfo {
	certificate := chain[0]
	sum := sha256.Sum256(certificate.Raw)
	info := remoteInfo{
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		subject:        certificate.Subject.CommonName,
		chain:          chain,
		trusted:        used.ClientCAs,
		fingerprint:    hex.EncodeToString(sum[:8]),
	}

	for _, organization := range certificate.Subject.Organization {
		info.roles = append(info.roles, strings.TrimSpace(organization))
	}

	for _, own := range used.Certificates {
		if own.Leaf != nil {
			info.names = append(info.names, own.Leaf.DNSNames...)

			for _, address := range own.Leaf.IPAddresses {
				info.names = append(info.names, address.String())
			}
		}
	}

	return info
}

// ClientHandshake implements credentials.TransportCredentials; clients use gRPC's own.
func (c *tlsCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are for servers")
}

// Info implements credentials.TransportCredentials.
func (c *tlsCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: remoteInfo{}.AuthType()}
}

// Clone implements credentials.TransportCredentials.
func (c *tlsCredentials) Clone() credentials.TransportCredentials { return c }

// OverrideServerName implements credentials.TransportCredentials.
func (c *tlsCredentials) OverrideServerName(string) error { return nil }
