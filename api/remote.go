package api

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	apiv1 "github.com/extactor/extactor/api/v1"
)

const (
	// DefaultPort is where Talos's API is served, and that of extactor.
	DefaultPort = "50000"

	// connectWithin is how long a node may take until its side of the TLS handshake is done.
	connectWithin = 5 * time.Second

	// A node that says nothing for so long while a call is open is asked whether it is there, and given up in the end.
	silence, giveUp = 20 * time.Second, 10 * time.Second
)

// Remote is a daemon on the network, and who asks it.
type Remote struct {
	Address string // HOST or HOST:PORT
	Node    string // where the address is one that leads to it, and not its own: whom the call is for
	Context string // the context of the talosconfig, for errors

	TLS *tls.Config // the CAs that are trusted, and the client's certificate
}

// DialRemote makes a client of a daemon on the network. It connects when it is first asked something; what went wrong then
// is worded by Explain.
func DialRemote(remote Remote) (*Client, error) {
	address := withPort(remote.Address)
	attempt := &attempt{remote: remote, address: address}

	// A server that does not know our CA says so only where it is shown a certificate. Go's own choice would be none.
	config := remote.TLS.Clone()
	if len(config.Certificates) > 0 {
		certificate := config.Certificates[0]
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
	}

	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(&observedTLS{credentials.NewTLS(config), attempt}),
		grpc.WithUserAgent(cliAgent),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestAnswer)),
		grpc.WithContextDialer(attempt.dial),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: connectWithin}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: silence, Timeout: giveUp}),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
			return call(remote.named(ctx), method, request, reply, conn, options...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, description *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(remote.named(ctx), description, conn, method, options...)
		}),
	)
	if err != nil {
		return nil, err
	}

	return &Client{
		Extactor: apiv1.NewExtactorClient(conn), Machine: machine.NewMachineServiceClient(conn),
		where: address, conn: conn, attempt: attempt,
	}, nil
}

// withPort is an address with the default port, if it has none.
func withPort(address string) string {
	if _, port, err := net.SplitHostPort(address); err == nil {
		return net.JoinHostPort(hostOf(address), cmp.Or(port, DefaultPort))
	}

	return net.JoinHostPort(hostOf(address), DefaultPort)
}

// hostOf is the host of an address with or without a port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}

	if len(address) > 1 && address[0] == '[' && address[len(address)-1] == ']' {
		return address[1 : len(address)-1]
	}

	return address
}

// named says whom a call is for, as Talos's clients do: whoever receives it for somebody else refuses it.
func (r Remote) named(ctx context.Context) context.Context {
	if r.Node == "" {
		return ctx
	}

	return metadata.AppendToOutgoingContext(ctx, "node", r.Node)
}

// attempt is what came of the last try to connect. gRPC tells its callers no more than a text.
type attempt struct {
	remote  Remote
	address string

	mu  sync.Mutex
	err error
}

func (a *attempt) note(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.err = err
}

func (a *attempt) problem() error {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.err
}

func (a *attempt) dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectWithin}

	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		a.note(err)
	}

	return conn, err
}

// observedTLS notes what the handshake, and the first that the server says after it, came to.
type observedTLS struct {
	credentials.TransportCredentials
	attempt *attempt
}

// ClientHandshake implements credentials.TransportCredentials.
func (o *observedTLS) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := o.TransportCredentials.ClientHandshake(ctx, hostOf(o.attempt.address), conn)

	o.attempt.note(err)

	if err != nil {
		return nil, nil, err
	}

	return &observedConn{Conn: secured, attempt: o.attempt, answered: make(chan struct{})}, info, nil
}

// Clone implements credentials.TransportCredentials.
func (o *observedTLS) Clone() credentials.TransportCredentials {
	return &observedTLS{o.TransportCredentials.Clone(), o.attempt}
}

// observedConn notes why the first reading failed: in TLS 1.3 a server refuses a client when that takes itself to be
// connected already.
type observedConn struct {
	net.Conn
	attempt  *attempt
	answered chan struct{} // closed once something was read, or could not be
	once     sync.Once
}

// Read implements net.Conn.
func (o *observedConn) Read(buffer []byte) (int, error) {
	n, err := o.Conn.Read(buffer)

	o.once.Do(func() {
		if n == 0 && err != nil && !errors.Is(err, net.ErrClosed) {
			o.attempt.note(err)
		}

		close(o.answered)
	})

	return n, err
}

// Write implements net.Conn. What cannot be written because the server has refused the client is told only once it is read
// why: gRPC closes the connection at the first of the two.
func (o *observedConn) Write(content []byte) (int, error) {
	n, err := o.Conn.Write(content)
	if err != nil {
		select {
		case <-o.answered:
		case <-time.After(connectWithin):
		}
	}

	return n, err
}
