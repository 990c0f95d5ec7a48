package api

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// checkNode refuses calls that are for another machine. A client of Talos names in its metadata the nodes that a call is
// for: "node" to have it passed on, "nodes" to have the answers of several collected. Here nothing is passed on.
func (i remoteInfo) checkNode(ctx context.Context) error {
	headers, _ := metadata.FromIncomingContext(ctx)

	var named []string
	for _, value := range slices.Concat(headers.Get("node"), headers.Get("nodes")) {
		named = append(named, strings.Split(value, ",")...)
	}

	switch {
	case len(named) == 0:
		return nil
	case len(named) > 1:
		return status.Errorf(codes.InvalidArgument, "%d nodes are named; extactor answers for its own only: ask each of them", len(named))
	case i.isOwn(named[0]):
		return nil
	default:
		return status.Errorf(codes.PermissionDenied, "no request forwarding: %q is no address or name of this host", shortened(named[0], longestShown))
	}
}

// isOwn tells whether a node is this host: one of its addresses, its name, or what its certificate says.
func (i remoteInfo) isOwn(node string) bool {
	node = hostOf(node) // a client may be told of a port, too

	for _, name := range i.names {
		if strings.EqualFold(node, name) {
			return true
		}
	}

	address, err := netip.ParseAddr(node)
	if err != nil {
		return ownName(node)
	}

	address = address.Unmap().WithZone("")
	if address.IsLoopback() {
		return true
	}

	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}

	for _, own := range addresses {
		if prefix, err := netip.ParsePrefix(own.String()); err == nil && prefix.Addr().Unmap() == address {
			return true
		}
	}

	return false
}

func ownName(node string) bool {
	if strings.EqualFold(node, "localhost") {
		return true
	}

	host, err := os.Hostname()
	if err != nil {
		return false
	}

	short, _, _ := strings.Cut(host, ".")

	return strings.EqualFold(node, host) || strings.EqualFold(node, short)
}
