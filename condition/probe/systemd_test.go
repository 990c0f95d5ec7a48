package probe

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/extactor/extactor/spec"
)

// bus starts a D-Bus daemon of the test's own, which stands for the system's.
func bus(t *testing.T, directory string) (stop func()) {
	t.Helper()

	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		skip(t, "dbus-daemon is not installed")
	}

	config := filepath.Join(directory, "bus.conf")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=%s/bus</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/>
</policy></busconfig>`, directory), 0o600))

	daemon := exec.Command(program, "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog", "--print-address")
	output, err := daemon.StdoutPipe()
	must(t, err)
	must(t, daemon.Start())

	_, err = bufio.NewReader(output).ReadString('\n') // it listens
	must(t, err)

	stop = sync.OnceFunc(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
		_ = os.Remove(filepath.Join(directory, "bus"))
	})
	t.Cleanup(stop)

	return stop
}

// manager plays systemd on a bus, with one unit.
type manager struct {
	t          *testing.T
	connection *dbus.Conn

	mu     sync.Mutex
	states map[string]string
}

const unitDirectory = "/org/freedesktop/systemd1/unit/"

func playSystemd(t *testing.T, directory string) *manager {
	t.Helper()

	connection, err := dbus.Connect("unix:path=" + directory + "/bus")
	must(t, err)
	t.Cleanup(func() { _ = connection.Close() })

	m := &manager{t: t, connection: connection, states: map[string]string{"ActiveState": "inactive", "LoadState": "loaded"}}
	must(t, connection.ExportMethodTable(map[string]any{"Subscribe": func() *dbus.Error { return nil }},
		"/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"))
	must(t, connection.ExportMethodTable(map[string]any{"GetAll": m.getAll},
		unitDirectory+"mock_2eservice", "org.freedesktop.DBus.Properties"))

	reply, err := connection.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue)
	if err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}

	return m
}

func (m *manager) getAll(string) (map[string]dbus.Variant, *dbus.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()

	all := map[string]dbus.Variant{}
	for name, value := range m.states {
		all[name] = dbus.MakeVariant(value)
	}

	return all, nil
}

// set changes a property and says so as systemd does.
func (m *manager) set(property, value string) {
	m.t.Helper()
	m.mu.Lock()
	m.states[property] = value
	m.mu.Unlock()

	must(m.t, m.connection.Emit(unitDirectory+"mock_2eservice", "org.freedesktop.DBus.Properties.PropertiesChanged",
		"org.freedesktop.systemd1.Unit", map[string]dbus.Variant{property: dbus.MakeVariant(value)}, []string{}))
}

func TestSystemd(t *testing.T) {
	leaksNothing(t)

	directory, err := os.MkdirTemp("", "probe") // short: the path of a socket is limited
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+directory+"/bus")
	withoutSystemd(t)

	probe, err := New(spec.HostService{Name: "x", Systemd: "mock"}, nil)
	must(t, err)

	s := watchProbe(t, probe)
	s.await("down: systemd does not answer") // there is no bus

	stopBus := bus(t, directory)
	systemd := playSystemd(t, directory)
	s.await(`down: unit "mock.service" is inactive`)
	systemd.set("ActiveState", "activating")
	s.await(`down: unit "mock.service" is activating`)
	systemd.set("ActiveState", "active")
	s.await(`up: unit "mock.service" is active`)
	systemd.set("ActiveState", "reloading")
	s.await(`up: unit "mock.service" is reloading`)
	systemd.set("ActiveState", "failed")
	s.await(`down: unit "mock.service" is failed`)
	systemd.set("LoadState", "not-found")
	systemd.set("ActiveState", "inactive")
	s.await(`down: unit "mock.service" is not found`)

	stopBus()
	s.await("down: systemd does not answer")

	bus(t, directory)

	systemd = playSystemd(t, directory)
	systemd.set("ActiveState", "active")
	s.await(`up: unit "mock.service" is active`)
	s.stop()
	must(t, systemd.connection.Close())
}

// A bus that accepts and never says a word holds up nobody who stops.
func TestSystemdThatHangs(t *testing.T) {
	leaksNothing(t)
	withoutSystemd(t)

	at := filepath.Join(t.TempDir(), "bus")
	stop, err := listenUnix("unix")(at)
	must(t, err)
	t.Cleanup(stop)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+at)

	watchProbe(t, systemdWithin("mock.service", time.Millisecond)).await("down: systemd does not answer")
}

// withoutSystemd skips a test whose probe would turn to the machine's own systemd.
func withoutSystemd(t *testing.T) {
	t.Helper()

	if _, err := os.Stat("/run/systemd/private"); err == nil && os.Geteuid() == 0 {
		skip(t, "root falls back to the private socket of this machine's systemd")
	}
}
