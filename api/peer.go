package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/extactor/extactor/events"
)

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

// origin says who gives the command of this call.
func origin(ctx context.Context) *events.Origin {
	origin := &events.Origin{Via: "api"}

	if caller, ok := peer.FromContext(ctx); ok {
		if info, ok := caller.AuthInfo.(peerInfo); ok {
			origin.Uid, origin.Pid = info.uid, info.pid
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
