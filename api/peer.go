package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/extactor/extactor/events"
)

// viaNetwork is the way of commands that come over the network.
const viaNetwork = "network"

// cliAgent begins the user agent of extactor's own client.
const cliAgent = "extactor-cli"

// peerInfo is who is at the other end of a unix socket, as the kernel knows it.
type peerInfo struct {
	credentials.CommonAuthInfo
	uid uint32
	pid int32
}

// AuthType implements credentials.AuthInfo.
func (peerInfo) AuthType() string { return "unix-peer" }

// peerCredentials is a gRPC transport without encryption which asks the kernel for the peer (SO_PEERCRED).
type peerCredentials struct{}

// ServerHandshake implements credentials.TransportCredentials.
func (peerCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, nil, fmt.Errorf("cannot ask for the peer of a connection of type %T", conn)
	}

	raw, err := unixConn.SyscallConn()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot ask for the peer: %w", err)
	}

	var (
		peer   *unix.Ucred
		failed error
	)

	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(err, failed); err != nil {
		return nil, nil, fmt.Errorf("cannot ask for the peer: %w", err)
	}

	common := credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}

	return conn, peerInfo{CommonAuthInfo: common, uid: peer.Uid, pid: peer.Pid}, nil
}

// ClientHandshake implements credentials.TransportCredentials; clients use the standard insecure credentials.
func (peerCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("peer credentials are for servers")
}

// Info implements credentials.TransportCredentials.
func (peerCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: peerInfo{}.AuthType()}
}

// Clone implements credentials.TransportCredentials.
func (c peerCredentials) Clone() credentials.TransportCredentials { return c }

// OverrideServerName implements credentials.TransportCredentials.
func (peerCredentials) OverrideServerName(string) error { return nil }

// admit lets root and the daemon's own user in. The socket's mode keeps others out already; this holds where somebody has
// opened it to them by hand, because whoever may give a command here is root on this host.
func admit(ctx context.Context) error {
	caller, ok := peer.FromContext(ctx)
	if !ok {
		return status.Error(codes.PermissionDenied, "cannot tell who is calling")
	}

	info, ok := caller.AuthInfo.(peerInfo)
	if !ok {
		return status.Error(codes.PermissionDenied, "cannot tell who is calling")
	}

	if info.uid != 0 && int(info.uid) != os.Geteuid() {
		return status.Errorf(codes.PermissionDenied, "user %d may not use extactor: only root may", info.uid)
	}

	return nil
}

func admitCall(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if err := admit(ctx); err != nil {
		return nil, err
	}

	return handle(ctx, request)
}

func admitStream(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if err := admit(stream.Context()); err != nil {
		return err
	}

	return handle(service, stream)
}

// Caller says who makes the call that a context belongs to; nil where it belongs to none.
func Caller(ctx context.Context) *events.Origin {
	if _, called := peer.FromContext(ctx); !called {
		return nil
	}

	return origin(ctx)
}

// origin says who gives the command of this call.
func origin(ctx context.Context) *events.Origin {
	origin := &events.Origin{Via: "api"}

	if caller, ok := peer.FromContext(ctx); ok {
		switch info := caller.AuthInfo.(type) {
		case peerInfo:
			origin.Uid, origin.Pid = info.uid, info.pid
		case remoteInfo:
			return &events.Origin{Via: viaNetwork, Remote: fmt.Sprintf("%s from %s", info.who(), caller.Addr)}
		}
	}

	if headers, ok := metadata.FromIncomingContext(ctx); ok {
		for _, agent := range headers.Get("user-agent") {
			if strings.HasPrefix(agent, cliAgent) {
				origin.Via = "cli"
			}
		}
	}

	return origin
}
