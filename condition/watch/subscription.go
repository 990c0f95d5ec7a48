package watch

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// subscription is told by the kernel of every change of links, addresses and default routes. It is open while at least
// one source uses it. A message only says that something changed: what there is now is then listed anew. So a burst of
// messages, or an overrun of the receive buffer, costs one list and loses nothing.
type subscription struct {
	options Options

	mu       sync.Mutex
	sources  map[*source]struct{}
	handle   *netlink.Handle   // asks for lists
	messages *nl.NetlinkSocket // receives the kernel's messages
	done     chan struct{}     // closed when the reader of messages has ended
}

func newSubscription(options Options) *subscription {
	return &subscription{options: options, sources: map[*source]struct{}{}}
}

// open registers the source, so that each change leads to a look, and opens what is not open.
func (s *subscription) open(source *source) (*netlink.Handle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.sources[source] = struct{}{}

	if s.messages != nil {
		return s.handle, nil
	}

	err := inNamespace(s.options.NetworkNamespace, unix.CLONE_NEWNET, s.connect)
	if err != nil {
		return nil, err
	}

	s.done = make(chan struct{})

	go s.read(s.messages, s.done)

	return s.handle, nil
}

// connect is called with the lock held.
func (s *subscription) connect() error {
	if s.handle == nil {
		handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("cannot open netlink: %w", err)
		}

		s.handle = handle
	}

	messages, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR,
		unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err != nil {
		return fmt.Errorf("cannot subscribe to the network's changes: %w", err)
	}

	if s.options.receiveBuffer > 0 {
		if err = messages.SetReceiveBufferSize(s.options.receiveBuffer, false); err != nil {
			messages.Close()

			return fmt.Errorf("cannot size the receive buffer of the network's changes: %w", err)
		}
	}

	s.messages = messages

	return nil
}

// read has the sources look after each message until the socket is closed.
func (s *subscription) read(messages *nl.NetlinkSocket, done chan<- struct{}) {
	defer close(done)

	for {
		received, _, err := messages.Receive()

		switch {
		case errors.Is(err, unix.ENOBUFS):
			s.options.Logger.Debug().Msg("the network changes faster than it can be followed: listing it anew")
			s.lookAll()
		case err != nil:
			s.abandon(messages, err)

			return
		case relevant(received):
			s.lookAll()
		}
	}
}

// relevant leaves out routes that are not default routes: a router or a cluster node changes thousands of them.
func relevant(messages []syscall.NetlinkMessage) bool {
	for _, message := range messages {
		switch message.Header.Type {
		case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
			if len(message.Data) < unix.SizeofRtMsg || nl.DeserializeRtMsg(message.Data).Dst_len == 0 {
				return true
			}
		default:
			return true
		}
	}

	return false
}

func (s *subscription) lookAll() {
	s.mu.Lock()
	defer s.mu.Unlock()

	for source := range s.sources {
		source.look()
	}
}

// abandon drops a socket that has failed, unless it is one that was closed. The sources look again after a while, which
// opens a new one.
func (s *subscription) abandon(messages *nl.NetlinkSocket, reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.messages != messages {
		return
	}

	s.options.Logger.Warn().Err(reason).Msg("cannot receive the network's changes: subscribing anew")
	messages.Close()

	s.messages = nil

	for source := range s.sources {
		source.lookAfter(s.options.PollInterval)
	}
}

// leave unregisters the source and, after the last, closes everything.
func (s *subscription) leave(source *source) {
	s.mu.Lock()

	delete(s.sources, source)

	if len(s.sources) > 0 {
		s.mu.Unlock()

		return
	}

	messages, handle, done := s.messages, s.handle, s.done
	s.messages, s.handle = nil, nil
	s.mu.Unlock()

	if handle != nil {
		handle.Close()
	}

	if messages != nil {
		messages.Close()

		<-done
	}
}
