package daemon

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// late is a listener on a port that somebody else has, until what is returned with it gives the port back.
func late(t *testing.T) (*lateListener, func()) {
	t.Helper()

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	free := func() { _ = taken.Close() }
	t.Cleanup(free)

	listener := &lateListener{address: taken.Addr().String(), log: zerolog.Nop(), closed: make(chan struct{})}
	t.Cleanup(func() { _ = listener.Close() })

	if opened := listener.open(); opened != nil {
		t.Fatalf("listens on a port that is taken: %s", opened.Addr())
	}

	if opened, problem := listener.state(); opened != nil || !strings.Contains(problem, "another program listens there") {
		t.Errorf("%v, %q", opened, problem)
	}

	return listener, free
}

func TestLateListenerOpensOnceItCan(t *testing.T) {
	t.Parallel()

	listener, free := late(t)
	accepted := make(chan error, 1)

	go func() {
		conn, err := listener.Accept()
		if err == nil {
			err = conn.Close()
		}

		accepted <- err
	}()

	if listener.Addr().String() != listener.address {
		t.Errorf("waits for %s, not %s", listener.Addr(), listener.address)
	}

	free()

	again := time.NewTicker(tryAgain / 20)
	defer again.Stop()

	for opened, _ := listener.state(); opened == nil; opened, _ = listener.state() {
		<-again.C
	}

	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	if err := <-accepted; err != nil {
		t.Error(err)
	}

	if _, problem := listener.state(); problem != "" {
		t.Errorf("is open, and says %q", problem)
	}
}

func TestLateListenerIsClosedWhileItWaits(t *testing.T) {
	t.Parallel()

	listener, free := late(t)
	ended := make(chan error, 1)

	go func() {
		_, err := listener.Accept()
		ended <- err
	}()

	_ = listener.Close()

	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("ended with %v", err)
	}

	free()

	if opened := listener.open(); opened != nil {
		t.Errorf("opened after it was closed: %s", opened.Addr())
	}
}
