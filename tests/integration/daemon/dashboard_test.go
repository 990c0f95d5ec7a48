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

// openDashboard opens a terminal of 80 by 24 with the dashboard of a host.
func openDashboard(t *testing.T, h *host) terminal {
	t.Helper()

	if _, err := exec.LookPath("tmux"); err != nil {
		missing(t, "tmux: apt-get install tmux")
	}

	opened := terminal{t, filepath.Join(h.dir, "tmux")}
	t.Cleanup(func() { opened.do("kill-server") })
	opened.do("-f", "/dev/null", "new-session", "-d", "-s", "test", "-x", "80", "-y", "24",
		"LC_ALL=C.UTF-8 "+extactor+" dashboard --socket "+h.socket()+"; echo ended with $?; exec sleep 1000")

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

	screen := openDashboard(t, h)
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
