package api

import (
	"net"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
)

// talosctl names the nodes of -n in the metadata of each call: as "nodes" in most of its commands, as "node" in others.
func TestOnlyThisNodeAnswers(t *testing.T) {
	h := start(t, newServices(view("ext-a", events.StateRunning, 1)), newJournal())
	client := serveRemote(t, h, networkLimits).dial(t, credentials.Reader)

	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}

	for _, row := range []struct {
		name  string
		pairs []string
		code  codes.Code
	}{
		{"no node", nil, codes.OK},
		{"loopback", []string{"node", "127.0.0.1"}, codes.OK},
		{"loopback, another spelling", []string{"node", "::ffff:127.0.0.1"}, codes.OK},
		{"loopback of IPv6", []string{"nodes", "::1"}, codes.OK},
		{"loopback of IPv6 in brackets", []string{"nodes", "[::1]"}, codes.OK},
		{"with a port", []string{"node", "127.0.0.1:50001"}, codes.OK},
		{"IPv6 with a port", []string{"nodes", "[::1]:50001"}, codes.OK},
		{"a name with a port", []string{"nodes", "vm.example:50001"}, codes.OK},
		{"another address with a port", []string{"node", "192.0.2.1:50001"}, codes.PermissionDenied},
		{"only a port", []string{"node", ":50001"}, codes.PermissionDenied},
		{"one in nodes", []string{"nodes", "127.0.0.1"}, codes.OK},
		{"host name", []string{"node", strings.ToUpper(host)}, codes.OK},
		{"name in the certificate", []string{"node", "VM.example"}, codes.OK},
		{"another address", []string{"node", "192.0.2.1"}, codes.PermissionDenied},
		{"another address in nodes", []string{"nodes", "192.0.2.1"}, codes.PermissionDenied},
		{"another name", []string{"node", "vm.example.org"}, codes.PermissionDenied},
		{"no name", []string{"node", ""}, codes.PermissionDenied},
		{"two", []string{"node", "127.0.0.1", "node", "127.0.0.1"}, codes.InvalidArgument},
		{"two in nodes", []string{"nodes", "127.0.0.1", "nodes", "192.0.2.1"}, codes.InvalidArgument},
		{"two in one value", []string{"nodes", "127.0.0.1,192.0.2.1"}, codes.InvalidArgument},
		{"one in each", []string{"node", "127.0.0.1", "nodes", "127.0.0.1"}, codes.InvalidArgument},
	} {
		t.Run(row.name, func(t *testing.T) {
			ctx := metadata.AppendToOutgoingContext(t.Context(), row.pairs...)

			_, err := client.Machine.ServiceList(ctx, &emptypb.Empty{})

			switch row.code {
			case codes.OK:
				if err != nil {
					t.Error(err)
				}
			case codes.PermissionDenied:
				wantRefusal(t, err, row.code, "no request forwarding")
			default:
				wantRefusal(t, err, row.code, "2 nodes are named")
			}
		})
	}
}

func TestAddressesOfTheHostAreItsOwn(t *testing.T) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}

	for _, address := range addresses {
		host, _, _ := strings.Cut(address.String(), "/")
		if !(remoteInfo{}).isOwn(host) {
			t.Errorf("%s is not taken for an address of this host", host)
		}
	}
}
