package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// limits bound what clients can take of a host whose services matter more than they do.
type limits struct {
	connections    int    // of clients that have shown their certificate
	perAddress     int    // connections of one IPv4 address, or of one IPv6 network of 64 bits
	perCertificate int    // connections
	handshakes     int    // connections whose client has not shown its certificate yet; the oldest goes
	streams        uint32 // calls at once on a connection
	calls          int    // of everybody; each may hold a message of the largest size
	callsOfOne     int    // of one certificate
	header         uint32 // bytes of the metadata of a call
	unread         int    // bytes of answers that a client has not read yet, on all connections with its certificate
	unreadLeast    int    // and on each of them, however many there are

	handshake  time.Duration // until the client has shown its certificate and begun to speak HTTP/2
	arrival    time.Duration // until a request is there as a whole
	idle       time.Duration // connection without a call
	ping       time.Duration // silence after which a client is asked whether it is still there
	pong       time.Duration // and how long it has to answer, or to take what was sent
	clientPing time.Duration // that clients keep between pings of their own
	stall      time.Duration // in which a client has to take the next message of a stream
	look       time.Duration // between looks whether the client of a stream would still be let in
}

// networkLimits are generous for people and their tools: one client has one connection and a stream for each command.
var networkLimits = limits{
	connections: 256, perAddress: 64, perCertificate: 128, handshakes: 32, streams: 128, calls: 256, callsOfOne: 128, header: 16 << 10, unread: 2 << 20, unreadLeast: 512 << 10,
	handshake: 10 * time.Second, arrival: time.Minute, idle: 15 * time.Minute, ping: 15 * time.Second, pong: 15 * time.Second,
	clientPing: 5 * time.Second, stall: time.Minute, look: 30 * time.Second,
}

// readBuffer is enough for what clients ask; what is idle has little memory.
const readBuffer = 4 << 10

// Network is how the API is offered to other machines.
type Network struct {
	Listeners []net.Listener // of ListenNetwork
	TLS       *tls.Config    // which demands and verifies a client's certificate
	Report    func(error)    // hears of clients that were turned away; not of each one
}

// ListenNetwork opens an address for ServeNetwork: ":50000", "192.0.2.7:50000", "[2001:db8::7]:50000".
func ListenNetwork(address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return nil, fmt.Errorf("cannot listen on %q: it is not ADDRESS:PORT, :PORT or [IPV6]:PORT", address)
	}

	// An address that is not there yet, early in boot, is listened on all the same. Where the kernel does not know how, an
	// address that is there will do.
	config := net.ListenConfig{Control: func(network, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			if strings.HasSuffix(network, "6") {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
			} else {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)
			}
		})
	}}

	listener, err := config.Listen(context.Background(), "tcp", net.JoinHostPort(host, port))

	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %q: another program listens there", address)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %q: %w", address, plainCause(err))
	default:
		return listener, nil
	}
}

// plainCause leaves of an error of package net what is not said already.
func plainCause(err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) {
		err = operation.Err
	}

	return cause(err)
}

// ServeNetwork answers on the network, as Serve does on the unix socket, who has a certificate with a role that allows it.
func (s *Server) ServeNetwork(ctx context.Context, network Network) error {
	return s.serveNetwork(ctx, network, networkLimits)
}

func (s *Server) serveNetwork(ctx context.Context, network Network, limits limits) error {
	gate := newGate(limits, newReports(network.Report))
	guarded := make([]net.Listener, 0, len(network.Listeners))

	for _, listener := range network.Listeners {
		guarded = append(guarded, &guardedListener{Listener: listener, gate: gate})
	}

	trust := trust{network.TLS}
	guard := &guard{limits: limits, reports: gate.reports, trust: trust, open: newCalls(limits), running: newCalls(limits)}

	return s.serve(ctx, s.register(
		grpc.Creds(&tlsCredentials{trust: trust, gate: gate}),
		grpc.ConnectionTimeout(limits.handshake),
		grpc.MaxConcurrentStreams(limits.streams),
		grpc.InTapHandle(guard.tap),
		grpc.MaxRecvMsgSize(largestRequest),
		grpc.MaxHeaderListSize(limits.header),
		grpc.ReadBufferSize(readBuffer),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: limits.idle, Time: limits.ping, Timeout: limits.pong}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: limits.clientPing, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(recoverCall, guard.admitCall),
		grpc.ChainStreamInterceptor(s.endStreams, guard.admitStream, guard.endStream),
	), guarded...)
}
