package watch

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/condition"
)

// newNamespace makes a namespace and returns what keeps it alive.
func newNamespace(t testing.TB, flag int, name string) *os.File {
	t.Helper()
	needRoot(t)

	type result struct {
		file *os.File
		err  error
	}

	made := make(chan result)

	go func() { // the thread ends with this goroutine
		runtime.LockOSThread()

		if err := unix.Unshare(flag); err != nil {
			made <- result{nil, err}

			return
		}

		file, err := os.Open("/proc/thread-self/ns/" + name)
		made <- result{file, err}
	}()

	r := <-made
	if r.err != nil {
		skip(t, "cannot make a namespace: "+r.err.Error())
	}

	t.Cleanup(func() { _ = r.file.Close() })

	return r.file
}

// host is a network namespace with the means to change it.
type host struct {
	*netlink.Handle
	t         testing.TB
	namespace *os.File
}

func newHost(t testing.TB) host {
	t.Helper()

	h := host{t: t, namespace: newNamespace(t, unix.CLONE_NEWNET, "net")}
	must(t, inNamespace(h.namespace, unix.CLONE_NEWNET, func() (err error) {
		h.Handle, err = netlink.NewHandle(unix.NETLINK_ROUTE)

		return err
	}))
	t.Cleanup(h.Close)

	return h
}

func (h host) link(name string) netlink.Link {
	h.t.Helper()

	link, err := h.LinkByName(name)
	must(h.t, err)

	return link
}

func (h host) up(name string)   { h.t.Helper(); must(h.t, h.LinkSetUp(h.link(name))) }
func (h host) down(name string) { h.t.Helper(); must(h.t, h.LinkSetDown(h.link(name))) }

func (h host) address(link, text string, flags int) *netlink.Addr {
	h.t.Helper()

	address, err := netlink.ParseAddr(text)
	must(h.t, err)

	address.Flags = flags
	must(h.t, h.AddrAdd(h.link(link), address))

	return address
}

func (h host) veth(one, other string) {
	h.t.Helper()
	must(h.t, h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: one}, PeerName: other}))
}

func (h host) watch(options Options) *Watchers {
	h.t.Helper()

	options.NetworkNamespace = h.namespace
	options.PollInterval = time.Hour

	return start(h.t, options)
}

func TestNetworkAddresses(t *testing.T) {
	h := newHost(t)
	f := watchFacts(t, h.watch(Options{}), network(condition.Addresses))

	if first := f.met(false); !cmp.Equal(first, condition.Fact(condition.AddressesFact{})) {
		t.Errorf("a new network namespace has %v", first)
	}

	h.up("lo") // has loopback addresses
	h.veth("one", "two")
	h.address("one", "192.0.2.1/24", 0) // the link is down
	f.met(false)
	h.up("one") // its peer is down: no carrier
	h.up("two")

	found := false

	for _, address := range f.met(true).(condition.AddressesFact).Addresses {
		found = found || address == condition.Address{
			Interface: "one", InterfaceUp: true, Address: netip.MustParseAddr("192.0.2.1"),
		}
	}

	if !found {
		t.Error("the address is not among the facts")
	}

	h.down("two")
	f.met(false)
	h.up("two")
	f.met(true)
	h.down("one")
	f.met(false)
}

func TestNetworkAddressIsTentative(t *testing.T) {
	h := newHost(t)
	h.veth("one", "two")
	h.up("one")
	h.up("two")

	f := watchFacts(t, h.watch(Options{}), network(condition.Addresses))
	f.met(false)
	h.address("one", "2001:db8::1/64", 0)

	wanted := netip.MustParseAddr("2001:db8::1")
	has := func(tentative bool) func(condition.Fact) bool {
		return func(fact condition.Fact) bool {
			for _, address := range fact.(condition.AddressesFact).Addresses {
				if address.Address == wanted && address.Tentative == tentative {
					return true
				}
			}

			return false
		}
	}

	f.await("tentative", has(true))

	// The kernel says so when duplicate address detection is over.
	if !f.watched.Met(f.await("not tentative", has(false))) {
		t.Error("not met by an address that can be bound")
	}
}

func TestNetworkConnectivity(t *testing.T) {
	for _, family := range []struct{ name, address, gateway, everything string }{
		{"IPv4", "192.0.2.1/24", "192.0.2.254", "0.0.0.0/0"},
		{"IPv6", "2001:db8::1/64", "2001:db8::ff", "::/0"},
	} {
		t.Run(family.name, func(t *testing.T) {
			h := newHost(t)
			h.veth("one", "two")
			h.up("one")
			h.up("two")
			h.address("one", family.address, unix.IFA_F_NODAD)

			f := watchFacts(t, h.watch(Options{}), network(condition.Connectivity))
			f.met(false)

			everything, err := netlink.ParseIPNet(family.everything)
			must(t, err)

			index := h.link("one").Attrs().Index
			route := &netlink.Route{LinkIndex: index, Gw: netip.MustParseAddr(family.gateway).AsSlice(), Dst: everything}

			must(t, h.RouteAdd(route))
			f.met(true)
			must(t, h.RouteDel(route))
			f.met(false)

			// Of another table it counts; as a refusal it does not.
			route.Table = 100
			must(t, h.RouteAdd(route))
			f.met(true)
			must(t, h.RouteAdd(&netlink.Route{Dst: everything, Type: unix.RTN_UNREACHABLE, Priority: 1}))
			must(t, h.RouteDel(route))
			f.met(false)

			route.Table = 0
			must(t, h.RouteAdd(route))
			f.met(true)
			h.down("two") // no carrier
			f.met(false)
			h.up("two")
			f.met(true)
			h.down("one")
			f.met(false)
		})
	}
}

func TestNetworkConnectivityByManyNextHops(t *testing.T) {
	h := newHost(t)
	hops := []*netlink.NexthopInfo{}

	for i := range 2 {
		name := fmt.Sprint("hop", i)
		h.veth(name, name+"peer")
		h.up(name)
		h.up(name + "peer")
		h.address(name, fmt.Sprintf("192.0.2.%d/28", i*16+1), 0)
		hops = append(hops, &netlink.NexthopInfo{
			LinkIndex: h.link(name).Attrs().Index, Gw: []byte{192, 0, 2, byte(i*16 + 2)},
		})
	}

	everything, err := netlink.ParseIPNet("0.0.0.0/0")
	must(t, err)
	must(t, h.RouteAdd(&netlink.Route{Dst: everything, MultiPath: hops}))

	f := watchFacts(t, h.watch(Options{}), network(condition.Connectivity))
	f.met(true)
	h.down("hop0peer") // one is left
	h.down("hop1peer")
	f.met(false)
	h.up("hop1peer")
	f.met(true)
}

// A receive buffer of the least size overruns in a burst; what is pushed in the end is complete all the same.
func TestNetworkBurst(t *testing.T) {
	h := newHost(t)
	h.veth("one", "two")
	h.up("one")
	h.up("two")

	var output log

	f := watchFacts(t, h.watch(Options{Logger: zerolog.New(&output).Level(zerolog.DebugLevel), receiveBuffer: 1}), network(condition.Addresses))
	f.met(false)

	const count = 500

	for i := range count {
		h.address("one", fmt.Sprintf("198.51.%d.%d/32", 100+i/250, i%250+1), 0)
	}

	f.await("all addresses", func(fact condition.Fact) bool {
		number := 0

		for _, address := range fact.(condition.AddressesFact).Addresses {
			if address.Address.Is4() {
				number++
			}
		}

		return number == count
	})

	if lists := len(f.seen); lists >= count {
		t.Errorf("%d facts for %d changes: the burst was not coalesced", lists, count)
	}

	if !output.contains("listing it anew") {
		t.Error("the receive buffer did not overrun: the test tests nothing")
	}
}

func TestHostname(t *testing.T) {
	namespace := newNamespace(t, unix.CLONE_NEWUTS, "uts")
	set := func(name string) {
		t.Helper()
		must(t, inNamespace(namespace, unix.CLONE_NEWUTS, func() error { return unix.Sethostname([]byte(name)) }))
	}

	set("localhost")

	options := unpolled()
	options.UTSNamespace = namespace
	f := watchFacts(t, start(t, options), network(condition.Hostname))
	f.met(false)
	set("node-1")

	if fact := f.met(true); fact != (condition.HostnameFact{Hostname: "node-1"}) {
		t.Errorf("the host name is %v", fact)
	}

	set("(none)")
	f.met(false)

	if own, _ := os.Hostname(); own == "node-1" || own == "(none)" {
		t.Errorf("the name was set outside of the namespace: %q", own)
	}
}
