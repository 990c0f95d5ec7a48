package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/spec"
)

func TestPath(t *testing.T) {
	leaksNothing(t)

	name := filepath.Join(t.TempDir(), "a/file")
	probe, err := New(spec.HostService{Name: "x", Path: name}, watching(t))
	must(t, err)

	s := watchProbe(t, probe)
	s.await(`down: "` + name + `" does not exist`)
	must(t, os.MkdirAll(name, 0o700))
	s.await(`up: "` + name + `" exists`)
	must(t, os.Remove(name))
	s.await("down: ")
}

func TestAssumed(t *testing.T) {
	leaksNothing(t)

	probe, err := New(spec.HostService{Name: "x", Assume: true}, watching(t))
	must(t, err)
	watchProbe(t, probe).await("up: assumed")
}

func TestHostServicesThatAreRefused(t *testing.T) {
	for name, service := range map[string]spec.HostService{
		"nothing": {Name: "x"},
		"two":     {Name: "x", Path: "/p", Assume: true},
	} {
		probe, err := New(service, nil)
		if err == nil || probe != nil || !strings.Contains(err.Error(), `"x": exactly one of`) {
			t.Errorf("%s: %v, %v", name, probe, err)
		}
	}
}

func TestSocketOfEveryType(t *testing.T) {
	for name, listen := range map[string]func(path string) (func(), error){
		"stream":     listenUnix("unix"),
		"seqpacket":  listenUnix("unixpacket"), // as that of udevd
		"datagram":   listenDatagram,           // as that of syslog
		"not socket": nil,
	} {
		t.Run(name, func(t *testing.T) {
			leaksNothing(t)

			directory, err := os.MkdirTemp("", "probe") // short: the path of a socket is limited
			must(t, err)
			t.Cleanup(func() { _ = os.RemoveAll(directory) })

			at := filepath.Join(directory, "run/socket")
			probe, err := New(spec.HostService{Name: "x", Socket: at}, watching(t))
			must(t, err)

			s := watchProbe(t, probe)
			s.await("down: \"" + at + "\" does not exist")
			must(t, os.Mkdir(filepath.Dir(at), 0o700))

			if listen == nil {
				must(t, os.WriteFile(at, nil, 0o600))
				s.await("does not accept: connection refused")

				return
			}

			stop, err := listen(at)
			must(t, err)
			s.await("up: \"" + at + "\" accepts")
			stop()
			must(t, os.RemoveAll(at))
			s.await("does not exist")
		})
	}
}

func listenUnix(network string) func(string) (func(), error) {
	return func(path string) (func(), error) {
		listener, err := net.Listen(network, path)
		if err != nil {
			return nil, err
		}

		return func() { _ = listener.Close() }, nil
	}
}

func listenDatagram(path string) (func(), error) {
	connection, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}

	return func() { _ = connection.Close() }, nil
}

// The path appears at bind, and accepts at listen; a listener that died leaves its path.
func TestSocketThatExistsButRefuses(t *testing.T) {
	leaksNothing(t)

	at := filepath.Join(t.TempDir(), "s")
	s := watchProbe(t, sockets([]string{at}, watching(t), nil))
	s.await("does not exist")

	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)

	defer unix.Close(fd)

	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: at}))
	s.await("down: \"" + at + "\" does not accept: connection refused")
	must(t, unix.Listen(fd, 0))
	s.await("up: ")
}

// answers are what a dialer finds, by address; nil accepts.
type answers struct {
	mu    sync.Mutex
	found map[string]error
	asked int
}

func (a *answers) dial(_ context.Context, address string) error {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.asked++

	return a.found[address]
}

func (a *answers) set(address string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()

	a.found[address] = err
}

func (a *answers) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()

	asked := a.asked
	a.asked = 0

	return asked
}

func expect(t *testing.T, s *seen, what, want string) {
	t.Helper()
	synctest.Wait()

	if got := s.take(); got != want {
		t.Errorf("%s: pushed %q, want %q", what, got, want)
	}
}

func TestSocketIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watcher, found := &paths{}, &answers{found: map[string]error{"/s": unix.ECONNREFUSED}}
		s := watchProbe(t, socketsBy(found.dial, []string{"/s"}, watcher, nil))

		expect(t, s, "nothing is known", "")
		watcher.set("/s", false)
		expect(t, s, "not there", `down: "/s" does not exist`)
		<-time.After(time.Hour)

		if asked := found.count(); asked != 0 {
			t.Errorf("asked %d times while it was not there", asked)
		}

		watcher.set("/s", true)
		expect(t, s, "there", `down: "/s" does not accept: connection refused`)
		<-time.After(time.Minute)

		// 10 ms, doubled up to a second.
		if asked := found.count(); asked < 60 || asked > 70 {
			t.Errorf("asked %d times in a minute in which it refused", asked)
		}

		found.set("/s", nil)
		<-time.After(lastRetry)
		expect(t, s, "accepts", `up: "/s" accepts`)
		found.count()
		<-time.After(time.Minute)

		if asked := found.count(); asked != 6 {
			t.Errorf("asked %d times in a minute in which it accepted", asked)
		}

		found.set("/s", unix.ECONNREFUSED)
		<-time.After(recheckAfter)
		expect(t, s, "its listener died", `down: "/s" does not accept: connection refused`)

		found.set("/s", nil)
		watcher.set("/s", true) // replaced
		expect(t, s, "at once", `up: "/s" accepts`)

		s.stop()
		s.stop()
		synctest.Wait()

		if left := watcher.count(); left != 0 {
			t.Errorf("%d watches are left", left)
		}
	})
}

func TestDefaultsOfCRI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runtime Given

		watcher, found := &paths{}, &answers{found: map[string]error{}}
		s := watchProbe(t, socketsBy(found.dial, criSockets, watcher, &fallback{&runtime, "no CRI is installed"}))

		synctest.Wait()

		for _, path := range criSockets[1:] {
			watcher.set(path, false)
		}

		runtime.Set(true, "containerd 2")
		expect(t, s, "one is not known", "")
		watcher.set(criSockets[0], false)
		expect(t, s, "no CRI", "up: assumed: no CRI is installed")
		runtime.Set(false, "cannot connect")
		expect(t, s, "the runtime is down", "down: no CRI is installed, and what stands in for it is down: cannot connect")
		runtime.Set(true, "containerd 2")
		runtime.Set(true, "containerd 2")
		expect(t, s, "the runtime is up", "up: assumed: no CRI is installed")

		found.set(criSockets[1], unix.ECONNREFUSED)
		watcher.set(criSockets[1], true)
		expect(t, s, "one is installed", `down: "/run/crio/crio.sock" does not accept: connection refused`)
		watcher.set(criSockets[3], true)
		expect(t, s, "another accepts", `up: "/run/k3s/containerd/containerd.sock" accepts`)
		s.stop()
	})
}

func TestDefaults(t *testing.T) {
	leaksNothing(t)

	var runtime Given

	runtime.Set(true, "")

	all := Defaults(watching(t), &runtime)
	if len(all) != 2 {
		t.Errorf("%d defaults", len(all))
	}

	for name, socketPaths := range map[string][]string{"cri": criSockets, "udevd": {udevSocket}} {
		want := "up: assumed: "

		for _, path := range socketPaths {
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				want = `"/` // up or down: this machine has one
			}
		}

		watchProbe(t, all[name]).await(want)
	}
}

func TestTCPIsAskedAtIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		found := &answers{found: map[string]error{"h:1": unix.ECONNREFUSED}}
		s := watchProbe(t, tcp("h:1", found.dial))

		expect(t, s, "at once", "down: h:1 does not accept: connection refused")
		found.count()
		<-time.After(10*time.Second + time.Millisecond)

		if asked := found.count(); asked != 10 {
			t.Errorf("asked %d times in 10 s while it refused", asked)
		}

		found.set("h:1", nil)
		<-time.After(tcpDown)
		expect(t, s, "accepts", "up: h:1 accepts")
		found.count()
		<-time.After(time.Minute)

		if asked := found.count(); asked != 6 {
			t.Errorf("asked %d times in a minute in which it accepted", asked)
		}

		found.set("h:1", context.DeadlineExceeded)
		<-time.After(recheckAfter)
		expect(t, s, "hangs", "down: h:1 does not accept: it does not answer in time")
		s.stop()
	})
}

func TestTCP(t *testing.T) {
	leaksNothing(t)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)

	address := listener.Addr().String()
	probe, err := New(spec.HostService{Name: "x", TCP: address}, nil)
	must(t, err)

	up := watchProbe(t, probe)
	up.await("up: " + address + " accepts")
	up.stop()
	must(t, listener.Close())

	down := watchProbe(t, probe)
	down.await("down: " + address + " does not accept: connection refused")
}
