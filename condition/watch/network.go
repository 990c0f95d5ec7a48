package watch

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/condition"
)

// links observes the network: addresses or routes, with the state of the links that carry them.
type links struct {
	watchers *Watchers
	source   *source
	list     func(*netlink.Handle) (condition.Fact, error)
	reported string
}

func newLinks(w *Watchers, s *source, list func(*netlink.Handle) (condition.Fact, error)) *links {
	return &links{watchers: w, source: s, list: list}
}

// interruptedRetries is how often a list is asked for again at once, because it changed while the kernel wrote it.
const interruptedRetries = 5

func (l *links) observe(publish func(condition.Fact)) {
	// First the subscription, then the list: nothing that changes in between goes unseen.
	handle, err := l.watchers.netlink.open(l.source)
	if err != nil {
		l.later(err)

		return
	}

	var fact condition.Fact

	for range interruptedRetries {
		fact, err = l.list(handle)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}

	if err != nil {
		l.later(err)

		return
	}

	l.reported = ""

	publish(fact)
}

func (l *links) later(err error) {
	if text := err.Error(); text != l.reported {
		l.reported = text
		l.watchers.options.Logger.Warn().Err(err).Msg("cannot list the network's state: trying again")
	}

	l.source.lookAfter(l.watchers.options.PollInterval)
}

func (l *links) release() { l.watchers.netlink.leave(l.source) }

// addresses lists every address, in the order of interface and address.
func addresses(handle *netlink.Handle) (condition.Fact, error) {
	interfaces, err := interfacesByIndex(handle)
	if err != nil {
		return nil, err
	}

	list, err := handle.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, err
	}

	var fact condition.AddressesFact

	for _, one := range list {
		link := interfaces[one.LinkIndex]
		address, ok := netip.AddrFromSlice(one.IP)

		if link == nil || !ok { // an interface that has just gone
			continue
		}

		fact.Addresses = append(fact.Addresses, condition.Address{
			Interface:   link.Name,
			InterfaceUp: operational(link),
			Loopback:    link.RawFlags&unix.IFF_LOOPBACK != 0,
			Address:     address.Unmap(),
			Tentative:   tentative(one.Flags),
		})
	}

	slices.SortFunc(fact.Addresses, func(a, b condition.Address) int {
		return cmp.Or(cmp.Compare(a.Interface, b.Interface), a.Address.Compare(b.Address))
	})

	return fact, nil
}

// routes looks for a default route, of any table, that leads somewhere.
func routes(handle *netlink.Handle) (condition.Fact, error) {
	interfaces, err := interfacesByIndex(handle)
	if err != nil {
		return nil, err
	}

	found := false
	filter := &netlink.Route{Table: unix.RT_TABLE_UNSPEC, Type: unix.RTN_UNICAST}

	err = handle.RouteListFilteredIter(netlink.FAMILY_ALL, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE,
		func(route netlink.Route) bool {
			found = found || isDefault(route) && usable(route, interfaces)

			return true
		})
	if err != nil {
		return nil, err
	}

	return condition.RoutesFact{Default: found}, nil
}

func isDefault(route netlink.Route) bool {
	if route.Family != unix.AF_INET && route.Family != unix.AF_INET6 || route.MPLSDst != nil {
		return false
	}

	if route.Dst == nil {
		return true
	}

	ones, _ := route.Dst.Mask.Size()

	return ones == 0 && route.Dst.IP.IsUnspecified()
}

// usable reports whether one of the route's next hops is behind an interface that is up.
func usable(route netlink.Route, interfaces map[int]*netlink.LinkAttrs) bool {
	const dead = unix.RTNH_F_DEAD | unix.RTNH_F_LINKDOWN

	up := func(index, flags int) bool {
		link := interfaces[index]

		return link != nil && flags&dead == 0 && operational(link)
	}

	return up(route.LinkIndex, route.Flags) || slices.ContainsFunc(route.MultiPath, func(hop *netlink.NexthopInfo) bool {
		return up(hop.LinkIndex, hop.Flags)
	})
}

func interfacesByIndex(handle *netlink.Handle) (map[int]*netlink.LinkAttrs, error) {
	list, err := handle.LinkList()
	if err != nil {
		return nil, err
	}

	interfaces := make(map[int]*netlink.LinkAttrs, len(list))
	for _, link := range list {
		interfaces[link.Attrs().Index] = link.Attrs()
	}

	return interfaces, nil
}

// operational follows RFC 2863 as the kernel reports it; drivers that do not know the state leave it unknown.
func operational(link *netlink.LinkAttrs) bool {
	return link.RawFlags&unix.IFF_UP != 0 && (link.OperState == netlink.OperUp || link.OperState == netlink.OperUnknown)
}

// tentative reports whether an address cannot be bound: duplicate address detection goes on or has failed. An optimistic
// address can be used meanwhile.
func tentative(flags int) bool {
	return flags&unix.IFA_F_DADFAILED != 0 || flags&unix.IFA_F_TENTATIVE != 0 && flags&unix.IFA_F_OPTIMISTIC == 0
}
