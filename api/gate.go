package api

import (
	"container/list"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// gate counts who is connected over the network, and turns away whom there is no room for. Clients that have not shown a
// certificate yet have a room of their own, so that strangers never take that of the others. When it is full, one of the place
// that most of them came from has to go, the one that has been there for longest: a client that means it is through at once.
type gate struct {
	limits  limits
	reports *reports
	slot    chan struct{} // full while a handshake computes: all of them together take one processor at most

	mu        sync.Mutex
	known     int                // connections whose client has shown its certificate
	perPlace  map[netip.Addr]int // connections
	perShown  map[string]int     // of known, by the certificate
	strangers list.List          // the others, as *guest, oldest first
	closed    bool
}

func newGate(limits limits, reports *reports) *gate {
	return &gate{limits: limits, reports: reports, slot: make(chan struct{}, 1), perPlace: map[netip.Addr]int{}, perShown: map[string]int{}}
}

// admit lets a stranger in, or returns nil.
func (g *gate) admit(conn net.Conn) *guest {
	guest := &guest{Conn: conn, gate: g, place: place(conn.RemoteAddr()), handshaking: true}

	full, oldest := g.seat(guest)

	if oldest != nil {
		oldest.Close()
		g.reports.refuse(oldest.RemoteAddr(), "crowd", fmt.Sprintf("more than %d clients connect at once, and it has shown no certificate yet", g.limits.handshakes))
	}

	if full != "" {
		conn.Close()
		g.reports.refuse(conn.RemoteAddr(), "full", full)

		return nil
	}

	return guest
}

// seat finds room for a guest, or says why there is none. oldest is who has to go for that.
func (g *gate) seat(newcomer *guest) (full string, oldest *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()

	switch {
	case g.closed:
		return "the daemon is shutting down", nil
	case g.known >= g.limits.connections:
		return fmt.Sprintf("%d clients are connected, and more may not be", g.known), nil
	case g.perPlace[newcomer.place] >= g.limits.perAddress:
		return fmt.Sprintf("it has %d connections, and may not have more", g.perPlace[newcomer.place]), nil
	}

	g.perPlace[newcomer.place]++
	newcomer.stranger = g.strangers.PushBack(newcomer)

	if g.strangers.Len() > g.limits.handshakes {
		oldest = g.intruder()
	}

	return "", oldest
}

// intruder is the oldest stranger of the place that most strangers came from.
func (g *gate) intruder() *guest {
	var (
		strangers = map[netip.Addr]int{}
		most      netip.Addr
	)

	for element := g.strangers.Front(); element != nil; element = element.Next() {
		from := element.Value.(*guest).place
		if strangers[from]++; strangers[from] > strangers[most] {
			most = from
		}
	}

	for element := g.strangers.Front(); ; element = element.Next() {
		if guest := element.Value.(*guest); guest.place == most {
			return guest
		}
	}
}

// close sends strangers away: the server, which is ending, does not wait for them.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true

	var waiting []*guest
	for element := g.strangers.Front(); element != nil; element = element.Next() {
		waiting = append(waiting, element.Value.(*guest))
	}
	g.mu.Unlock()

	for _, guest := range waiting {
		guest.Close()
	}
}

// guest is a connection from the network.
type guest struct {
	net.Conn
	gate  *gate
	place netip.Addr

	handshaking bool // only while one goroutine has the connection

	// Under the lock of the gate.
	stranger    *list.Element // among those that have not shown their certificate
	certificate string        // of others
	left        bool

	unread debt
}

// shown makes a stranger known by its certificate, unless there are too many who have the same.
func (g *guest) shown(certificate string) error {
	g.gate.mu.Lock()
	defer g.gate.mu.Unlock()

	if with := g.gate.perShown[certificate]; with >= g.gate.limits.perCertificate {
		return fmt.Errorf("its certificate (%s) has %d connections, and may not have more", certificate, with)
	}

	if !g.left {
		g.gate.strangers.Remove(g.stranger)
		g.stranger, g.certificate = nil, certificate
		g.gate.known++
		g.gate.perShown[certificate]++
	}

	return nil
}

// mayOwe is how much the client may leave unread here: those that have connections with one certificate share. It is not so
// little that one who reads, and makes several calls at once, would be refused before the first answer is written.
func (g *guest) mayOwe() int {
	g.gate.mu.Lock()
	defer g.gate.mu.Unlock()

	return max(g.gate.limits.unread/max(1, g.gate.perShown[g.certificate]), g.gate.limits.unreadLeast)
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.leave()

	return g.Conn.Close()
}

// hearOut lets a client that was refused learn why. It has said more by then, and a connection that is closed over what was
// not read is reset, which takes away the alert that tells the reason.
func (g *guest) hearOut() {
	const (
		patience = time.Second
		most     = 64 << 10
	)

	tcp, ok := g.Conn.(*net.TCPConn)
	if !ok || tcp.CloseWrite() != nil || tcp.SetReadDeadline(time.Now().Add(patience)) != nil {
		return
	}

	_, _ = io.CopyN(io.Discard, tcp, most) // whether it hears us is its own affair
}

func (g *guest) leave() {
	g.gate.mu.Lock()
	defer g.gate.mu.Unlock()

	if g.left {
		return
	}

	g.left = true

	if g.stranger != nil {
		g.gate.strangers.Remove(g.stranger)
	} else {
		g.gate.known--

		if g.gate.perShown[g.certificate]--; g.gate.perShown[g.certificate] == 0 {
			delete(g.gate.perShown, g.certificate)
		}
	}

	if g.gate.perPlace[g.place]--; g.gate.perPlace[g.place] == 0 {
		delete(g.gate.perPlace, g.place)
	}
}

// Read implements net.Conn. Who waits for a client in a handshake does not compute.
func (g *guest) Read(into []byte) (int, error) {
	defer g.pause()()

	return g.Conn.Read(into)
}

// Write implements net.Conn.
func (g *guest) Write(from []byte) (int, error) {
	defer g.pause()()

	n, err := g.Conn.Write(from)
	g.unread.pay(n)

	return n, err
}

func (g *guest) pause() (resume func()) {
	if !g.handshaking {
		return func() {}
	}

	<-g.gate.slot

	return func() { g.gate.slot <- struct{}{} }
}

// place is what counts as one client: an IPv4 address, or the IPv6 network of 64 bits that one customer has at least.
func place(address net.Addr) netip.Addr {
	parsed, err := netip.ParseAddrPort(address.String())
	if err != nil {
		return netip.Addr{}
	}

	from := parsed.Addr().Unmap().WithZone("")
	if from.Is4() {
		return from
	}

	network, _ := from.Prefix(64)

	return network.Addr()
}

// guardedListener accepts whom the gate lets in.
type guardedListener struct {
	net.Listener
	gate *gate
}

// Accept implements net.Listener.
func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}

		setUserTimeout(conn, l.gate.limits)

		if guest := l.gate.admit(conn); guest != nil {
			return guest, nil
		}
	}
}

// Close implements net.Listener.
func (l *guardedListener) Close() error {
	l.gate.close()

	return l.Listener.Close()
}

// setUserTimeout has the kernel give up a connection whose other end does not take what was sent to it. gRPC does so by
// itself only for the connections that it has made.
func setUserTimeout(conn net.Conn, limits limits) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}

	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}

	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limits.pong.Milliseconds()))
	})
}
