package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
)

// Strangers have a room of their own: when it is full, the oldest has to go, and whoever has a certificate gets through.
func TestStrangersTakeNoRoom(t *testing.T) {
	limits := networkLimits
	limits.handshakes, limits.perAddress = 4, 100
	r := remoteOfOneService(t, limits)

	var silent []net.Conn
	for range 10 {
		silent = append(silent, r.raw(t, ""))
	}

	for _, conn := range silent[:5] {
		closes(t, conn)
	}

	r.hears(t, "more than 4 clients connect at once", "127.0.0.1")

	for range 20 {
		answers(t, r.dial(t, credentials.Reader))
	}
}

// When strangers are too many, those go that come from where most of them come from.
func TestManyStrangersOfOnePlace(t *testing.T) {
	limits := networkLimits
	limits.handshakes = 4
	r := remoteOfOneService(t, limits)

	from := func(address string) net.Conn {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}

		conn, err := dialer.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}

		t.Cleanup(func() { conn.Close() })

		return conn
	}

	lone := from("127.0.0.2") // the oldest of all

	var crowd []net.Conn
	for range 20 {
		crowd = append(crowd, from("127.0.0.3"))
	}

	for _, conn := range crowd[:17] {
		closes(t, conn)
	}

	config := r.clientConfig(t, credentials.Reader)
	config.NextProtos = []string{"h2"}

	if err := tls.Client(lone, config).Handshake(); err != nil {
		t.Errorf("the only one of its place had to go: %v", err)
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	for _, row := range []struct {
		name string
		set  func(*limits)
		says string
	}{
		{"all", func(l *limits) { l.connections = 3 }, "3 clients are connected"},
		{"of one address", func(l *limits) { l.perAddress = 3 }, "it has 3 connections"},
	} {
		t.Run(row.name, func(t *testing.T) {
			limits := networkLimits
			row.set(&limits)
			r := remoteOfOneService(t, limits)

			var clients []*Client

			for range 3 {
				client := r.dial(t, credentials.Reader)
				answers(t, client)
				clients = append(clients, client)
			}

			closes(t, r.raw(t, ""))
			r.hears(t, row.says)

			for _, client := range clients {
				answers(t, client) // on the connection that it has
			}

			clients[0].Close()
			answers(t, connects(t, r))
		})
	}
}

// Who has one certificate, and comes from however many addresses, leaves room for who has another.
func TestConnectionsOfOneCertificate(t *testing.T) {
	limits := networkLimits
	limits.perCertificate = 2
	r := remoteOfOneService(t, limits)
	config := r.clientConfig(t, credentials.Reader)

	var clients []*Client

	for range 2 {
		client := r.dialWith(t, config)
		answers(t, client)
		clients = append(clients, client)
	}

	if _, err := r.dialWith(t, config).Machine.ServiceList(t.Context(), &emptypb.Empty{}); err == nil {
		t.Error("a third connection is answered")
	}

	r.hears(t, "its certificate (", "has 2 connections, and may not have more", "127.0.0.1")
	answers(t, r.dial(t, credentials.Reader))

	for _, client := range clients {
		answers(t, client)
	}
}

// connects makes a client that tries until there is room.
func connects(t *testing.T, r *remote) *Client {
	t.Helper()

	late := time.After(patience)

	for {
		client := r.dial(t, credentials.Reader)
		if _, err := client.Machine.ServiceList(t.Context(), &emptypb.Empty{}); err == nil {
			return client
		}

		client.Close()

		select {
		case <-late:
			t.Fatal("there is no room, though somebody has left")
		default:
		}
	}
}

// The server does not wait for strangers when it ends.
func TestStrangersDoNotHoldUpTheEnd(t *testing.T) {
	r := remoteOfOneService(t, networkLimits)

	silent := r.raw(t, "")
	answers(t, r.dial(t, credentials.Reader)) // so the silent one is accepted

	r.stop()

	select {
	case <-r.ended:
	case <-time.After(networkLimits.handshake / 2):
		t.Error("the server waits for somebody who never says a word")
	}

	closes(t, silent)
}

func TestPlaces(t *testing.T) {
	for _, row := range []struct{ address, want string }{
		{"192.0.2.7:1", "192.0.2.7"},
		{"[::ffff:192.0.2.7]:1", "192.0.2.7"},
		{"[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2::"},
		{"[fe80::1%eth0]:1", "fe80::"},
	} {
		address, err := net.ResolveTCPAddr("tcp", row.address)
		if err != nil {
			t.Fatal(err)
		}

		if got := place(address).String(); got != row.want {
			t.Errorf("%s is counted as %s, want %s", row.address, got, row.want)
		}
	}
}

func TestListenNetworkRefuses(t *testing.T) {
	taken, err := ListenNetwork("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	for _, row := range []struct{ address, want string }{
		{taken.Addr().String(), "another program listens there"},
		{"50000", "it is not ADDRESS:PORT"},
		{"127.0.0.1", "it is not ADDRESS:PORT"},
		{"127.0.0.1:", "it is not ADDRESS:PORT"},
		{"2001:db8::1:50000", "it is not ADDRESS:PORT"},
		{":66000", "invalid port"},
		{":nonsense", "nonsense"},
	} {
		listener, err := ListenNetwork(row.address)
		if err == nil {
			listener.Close()
		}

		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("cannot listen on %q: ", row.address)) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.address, err, row.want)
		}
	}

	for _, address := range []string{"[::1]:0", "127.0.0.1:0", ":0", "192.0.2.77:0"} { // the last is not there yet
		listener, err := ListenNetwork(address)
		if err != nil {
			t.Error(err)

			continue
		}

		listener.Close()
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	limits := networkLimits
	limits.idle = 200 * time.Millisecond
	client := remoteOfOneService(t, limits).dial(t, credentials.Reader)

	answers(t, client)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	if !client.conn.WaitForStateChange(ctx, connectivity.Ready) {
		t.Error("a connection without a call stays")
	}

	answers(t, client) // on another one
}

func TestRequestsAreLimited(t *testing.T) {
	client := remoteOfOneService(t, networkLimits).dial(t, credentials.Admin)

	_, err := client.Extactor.ApplyConfig(t.Context(), &apiv1.ApplyConfigRequest{Content: make([]byte, largestRequest)})
	wantRefusal(t, err, codes.ResourceExhausted, "larger than max")

	ctx := metadata.AppendToOutgoingContext(t.Context(), "node", "127.0.0.1", "padding", strings.Repeat("x", int(networkLimits.header)))
	if _, err := client.Machine.ServiceList(ctx, &emptypb.Empty{}); err == nil {
		t.Error("metadata of any size is taken")
	}

	answers(t, client)
}

// Calls are counted whatever becomes of them.
func TestCallsAreLimited(t *testing.T) {
	for _, row := range []struct {
		name string
		set  func(*limits)
		says string
	}{
		{"all", func(l *limits) { l.calls = 3 }, "3 calls are open over the network"},
		{"of one certificate", func(l *limits) { l.callsOfOne = 3 }, "3 calls are open by the certificate "},
	} {
		t.Run(row.name, func(t *testing.T) {
			limits := networkLimits
			row.set(&limits)
			r := remoteOfOneService(t, limits)
			client := r.dial(t, credentials.Reader)

			for range 10 {
				answers(t, client)
			}

			ctx, leave := context.WithCancel(t.Context())
			defer leave()

			for open, late := 0, time.After(patience); open < 3; open++ {
				watch, err := client.Extactor.WatchStatus(ctx, &apiv1.StatusRequest{})
				if err == nil {
					_, err = watch.Recv()
				}

				if status.Code(err) == codes.ResourceExhausted { // a call is counted a moment longer than its answer takes
					open--

					select {
					case <-late:
						t.Fatal(err)
					default:
						continue
					}
				}

				if err != nil {
					t.Fatal(err)
				}
			}

			_, err := client.Machine.ServiceList(t.Context(), &emptypb.Empty{})
			wantRefusal(t, err, codes.ResourceExhausted, row.says)

			leave()

			for late := time.After(patience); err != nil; {
				select {
				case <-late:
					t.Fatalf("the calls have ended, and are still counted: %v", err)
				default:
					_, err = client.Machine.ServiceList(t.Context(), &emptypb.Empty{})
				}
			}
		})
	}
}

// A call that a client has given up is counted as long as it is worked on: giving up calls makes no room for others.
func TestCallsThatAreGivenUpAreCounted(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	services := newServices(view("ext-a", events.StateRunning, 1))
	services.command = func(string, events.Order, *events.Origin) (uint64, error) {
		begun <- struct{}{}
		<-end

		return 1, nil
	}

	limits := networkLimits
	limits.callsOfOne = 3
	r := serveRemote(t, start(t, services, newJournal()), limits)
	client := r.dial(t, credentials.Operator)

	for range 3 {
		ctx, giveUp := context.WithCancel(t.Context())
		go func() { _, _ = client.Machine.ServiceStart(ctx, &machine.ServiceStartRequest{Id: "a"}) }()

		<-begun
		giveUp()
	}

	_, err := client.Machine.ServiceList(t.Context(), &emptypb.Empty{})
	wantRefusal(t, err, codes.ResourceExhausted, "3 calls are open by the certificate ")

	close(end)

	for late := time.After(patience); err != nil; {
		select {
		case <-late:
			t.Fatalf("the calls have ended, and are still counted: %v", err)
		default:
			_, err = client.Machine.ServiceList(t.Context(), &emptypb.Empty{})
		}
	}
}

// Whoever comes and goes, in whatever order, nobody is counted any more in the end.
func TestGateForgetsWhoHasLeft(t *testing.T) {
	limits := networkLimits
	limits.handshakes, limits.perAddress, limits.connections = 5, 20, 10
	gate := newGate(limits, newReports(func(error) {}))

	var all sync.WaitGroup

	for number := range 200 {
		all.Go(func() {
			inside, outside := net.Pipe()
			defer outside.Close()

			guest := gate.admit(inside)
			if guest == nil {
				return
			}

			if number%3 != 0 {
				_ = guest.shown(fmt.Sprint(number % 7))
			}

			for range 1 + number%2 {
				guest.Close()
			}
		})
	}

	all.Wait()

	if gate.known != 0 || gate.strangers.Len() != 0 || len(gate.perPlace)+len(gate.perShown) != 0 {
		t.Errorf("%d clients, %d strangers, %v, %v", gate.known, gate.strangers.Len(), gate.perPlace, gate.perShown)
	}
}
