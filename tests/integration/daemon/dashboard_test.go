package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a real one, of tmux, in which the dashboard runs.
type terminal struct {
	t      *testing.T
	socket string // of its server
}

// openDashboard opens a terminal of 80 by 24 with the dashboard of the daemon that the flags name.
func openDashboard(t *testing.T, flags ...string) terminal {
	t.Helper()

	if _, err := exec.LookPath("tmux"); err != nil {
		missing(t, "tmux: apt-get install tmux")
	}

	opened := terminal{t, filepath.Join(shortDirectory(t), "tmux")}
	t.Cleanup(func() { opened.do("kill-server") })
	opened.do("-f", "/dev/null", "new-session", "-d", "-s", "test", "-x", "80", "-y", "24",
		"LC_ALL=C.UTF-8 "+extactor+" dashboard "+strings.Join(flags, " ")+"; echo ended with $?; exec sleep 1000")

	return opened
}

func (o terminal) do(words ...string) string {
	o.t.Helper()

	tmux := exec.Command("tmux", append([]string{"-u", "-S", o.socket}, words...)...)
	tmux.Env = append(os.Environ(), "TMUX=", "TERM=xterm")

	text, err := tmux.CombinedOutput()
	if err != nil {
		o.t.Fatalf("tmux %v: %v\n%s", words, err, text)
	}

	return string(text)
}

func (o terminal) press(keys ...string) {
	o.t.Helper()
	o.do(append([]string{"send-keys", "-t", "test"}, keys...)...)
}

func (o terminal) resize(columns, lines string) {
	o.t.Helper()
	o.do("resize-window", "-t", "test", "-x", columns, "-y", lines)
}

// shows waits until the terminal shows a text, a regular expression, and returns the screen.
func (o terminal) shows(text string) (screen string) {
	o.t.Helper()

	pattern := regexp.MustCompile("(?m)" + text)

	defer func() {
		if o.t.Failed() {
			o.t.Logf("the screen:\n%s", screen)
		}
	}()

	until(o.t, text, func() bool {
		screen = o.do("capture-pane", "-p", "-t", "test")

		return pattern.MatchString(screen)
	})

	return screen
}

// A person's session with the dashboard on a real terminal: filter, restart a service, another size, a daemon that dies
// and comes back, quit.
func TestDashboard(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("alpha", "restart: always", "print", "alpha says hello", "serve")
	h.service("beta", "restart: always", "print", "\x1b[2Jbeta says hello", "serve")
	h.service("gamma", "restart: always\ndepends: [{path: "+filepath.Join(h.dir, "gate")+"}]", "serve")

	screen := openDashboard(t, "--socket", h.socket())
	screen.shows(`^no daemon answers at .*; trying again`)

	h.start()

	screen.shows(`^  ext-alpha +Running +\? +\d+s +0 +\d+\.\d% +\d\S+$`) // with CPU and memory
	screen.shows(`^  ext-gamma +Waiting`)

	screen.press("/", "b", "e", "t", "a", "Enter", "Tab")
	filtered := screen.shows(`^beta says hello$`)

	if strings.Contains(filtered, "ext-alpha") || !strings.Contains(filtered, "> ext-beta") || !strings.Contains(filtered, "1 shown") {
		t.Errorf("filtered:\n%s", filtered)
	}

	screen.press("r")
	screen.shows(`Restart ext-beta\?`)
	screen.press("y")
	screen.shows(`^Service "ext-beta" restarted`)
	screen.press("Tab")
	screen.shows(`Restart requested`)
	screen.press("S", "y")
	screen.shows(`> ext-beta +Finished`)

	screen.resize("40", "12")

	for _, line := range strings.Split(strings.TrimRight(screen.shows(`^> ext-beta +Finished +\? +-$`), "\n"), "\n") {
		if len([]rune(line)) > 40 {
			t.Errorf("on a screen of 40 columns: %q", line)
		}
	}

	screen.resize("100", "30")
	screen.press("Escape")
	screen.shows(`^  ext-alpha +Running`)

	h.end(unix.SIGKILL)
	screen.shows(`^no daemon answers at .*; trying again \(as of \d+s ago\)`)
	screen.shows(`^  ext-alpha +Running`) // as it was
	screen.press("s")
	screen.shows(`cannot start ext-beta: no daemon answers`)

	h.start()
	screen.shows(`^  ext-alpha .* Adopted running`) // the new daemon says so
	screen.press("s", "y")
	screen.shows(`> ext-beta +Running`)

	screen.press("q")
	screen.shows(`^ended with 0$`)
}

// The same over the network: what a certificate may not do is said, and a daemon that dies is waited for.
func TestDashboardOverTheNetwork(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("alpha", "restart: always", "print", "alpha says hello", "serve")
	h.service("beta", "restart: always", "serve")

	r := startListening(t, h, "127.0.0.1:0")
	h.flags[1] = r.address // also of the next daemon

	reader := openDashboard(t, "--talosconfig", r.talosconfig("reader"))
	reader.shows(`ext-beta +Running`)
	reader.press("Down")
	reader.shows(`^> ext-alpha +Running +\? +\d+s +0 +\d+\.\d% +\d\S+$`)
	reader.press("r", "y")
	reader.shows(`Restart needs the role os:operator, and your certificate has os:reader`)
	reader.press("q")
	reader.shows(`^ended with 0$`)

	operator := openDashboard(t, "--talosconfig", r.talosconfig("operator"))
	operator.shows(`ext-beta +Running`)
	operator.press("Down", "Tab")
	operator.shows(`^> ext-alpha +Running`)
	operator.shows(`^alpha says hello$`)
	operator.press("r", "y")
	operator.shows(`(?s)^> ext-alpha +Running.*^Service "ext-alpha" restarted`)

	h.end(unix.SIGKILL)
	operator.shows(`(?s)trying again \(as of \d+s ago\).*^> ext-alpha +Running`)

	h.start()
	operator.press("Tab")
	operator.shows(`Adopted running task`)
	operator.press("S", "y")
	operator.shows(`> ext-alpha +Finished`)
	operator.press("q")
	operator.shows(`^ended with 0$`)
}
