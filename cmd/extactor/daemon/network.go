package daemon

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/credentials"
)

// tryAgain is how long after a failure to listen, or to read the credentials, the next try comes.
const tryAgain = 2 * time.Second

// network is the API on the network. No service waits for it: what keeps it from being served is reported, once, and tried
// again until it can be.
type network struct {
	credentials string // directory
	log         zerolog.Logger
	listeners   []*lateListener

	mu      sync.Mutex
	server  *credentials.Server // once its files could be read
	problem string              // why not
}

// listen opens the addresses for the network, early, so that clients of an earlier daemon find somebody there.
func (d *daemon) listen() {
	d.network = &network{credentials: d.options.CredentialsDir, log: d.console.log}

	for _, address := range d.options.Listen {
		listener := &lateListener{address: address, log: d.console.log, closed: make(chan struct{})}
		d.network.listeners = append(d.network.listeners, listener)
		d.onClose(func() { _ = listener.Close() }) // where it is not served yet
	}

	d.network.open()
}

// open tries once, and tells whether there are credentials. Without them no address is opened: a client is told at once
// that nobody listens.
func (n *network) open() bool {
	if len(n.listeners) == 0 {
		return false
	}

	server, err := credentials.OpenServer(n.credentials, func(err error) { n.log.Error().Err(err).Msg("credentials of the API on the network") })
	if err != nil {
		n.fail(err)

		return false
	}

	n.mu.Lock()
	n.server, n.problem = server, ""
	n.mu.Unlock()

	for _, listener := range n.listeners {
		listener.open()
	}

	return true
}

func (n *network) fail(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()

	if n.problem != err.Error() {
		n.problem = err.Error()
		n.log.Error().Err(err).Msg(notYet)
	}
}

// notYet is said of everything that keeps the API from being served.
const notYet = "the API is not served on the network; services run all the same, and it is tried again"

// serve answers until the context ends, from the moment on at which it can.
func (n *network) serve(ctx context.Context, server *api.Server) error {
	if len(n.listeners) == 0 {
		return nil
	}

	n.mu.Lock()
	opened := n.server != nil
	n.mu.Unlock()

	for look := time.NewTicker(tryAgain); !opened; opened = n.open() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}

	served := api.Network{
		TLS:    n.server.TLSConfig(),
		Report: func(err error) { n.log.Warn().Err(err).Msg("API on the network") },
	}

	for _, listener := range n.listeners {
		served.Listeners = append(served.Listeners, listener)
	}

	return server.ServeNetwork(ctx, served)
}

// state says where the network is served, with the ports that the kernel has chosen, why it is not served elsewhere, and
// what is wrong with the credentials.
func (n *network) state() (addresses, problems []string) {
	n.mu.Lock()
	server, problem := n.server, n.problem
	n.mu.Unlock()

	if problem != "" {
		return nil, []string{problem}
	}

	for _, listener := range n.listeners {
		switch opened, problem := listener.state(); {
		case opened != nil:
			addresses = append(addresses, opened.Addr().String())
		case problem != "":
			problems = append(problems, problem)
		}
	}

	if server != nil {
		if problem := server.Problem(); problem != "" {
			problems = append(problems, problem)
		}
	}

	return addresses, problems
}

// lateListener is a listener on an address that cannot be listened on yet, because another program has the port, for
// example. Accept waits until it can be.
type lateListener struct {
	address string
	log     zerolog.Logger
	closing sync.Once
	closed  chan struct{}

	mu      sync.Mutex
	opened  net.Listener
	problem string
}

// open tries once, unless it is open.
func (l *lateListener) open() net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.opened != nil {
		return l.opened
	}

	opened, err := api.ListenNetwork(l.address)
	if err != nil {
		if l.problem != err.Error() {
			l.problem = err.Error()
			l.log.Error().Err(err).Msg(notYet)
		}

		return nil
	}

	select {
	case <-l.closed:
		_ = opened.Close()

		return nil
	default:
	}

	l.opened, l.problem = opened, ""
	l.log.Info().Stringer("address", opened.Addr()).Msg("the API listens on the network")

	return opened
}

func (l *lateListener) state() (net.Listener, string) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.opened, l.problem
}

// Accept implements net.Listener.
func (l *lateListener) Accept() (net.Conn, error) {
	for {
		if opened := l.open(); opened != nil {
			return opened.Accept()
		}

		select {
		case <-time.After(tryAgain):
		case <-l.closed:
			return nil, fmt.Errorf("cannot listen on %q: %w", l.address, net.ErrClosed)
		}
	}
}

// Close implements net.Listener.
func (l *lateListener) Close() error {
	l.closing.Do(func() { close(l.closed) })

	if opened, _ := l.state(); opened != nil {
		return opened.Close()
	}

	return nil
}

// Addr implements net.Listener.
func (l *lateListener) Addr() net.Addr {
	if opened, _ := l.state(); opened != nil {
		return opened.Addr()
	}

	return pendingAddress(l.address)
}

// pendingAddress is one that is not listened on yet.
type pendingAddress string

func (pendingAddress) Network() string  { return "tcp" }
func (a pendingAddress) String() string { return string(a) }
