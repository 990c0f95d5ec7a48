package daemon_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// document writes an ExtensionServiceConfig where no daemon looks for one.
func (h *host) document(name, variable, content string) (path string) {
	h.t.Helper()

	path = filepath.Join(h.dir, name+".document")
	text := fmt.Sprintf("apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: %s\nenvironment:\n  - WORD=%s\n"+
		"configFiles:\n  - content: %s\n    mountPath: /word\n", name, variable, content)
	must(h.t, os.WriteFile(path, []byte(text), 0o600))

	return path
}

// A service waits for its document, starts with it, starts anew with each that differs, and does nothing where it is the
// same. What it holds is in no list and in no record.
func TestConfigApply(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	must(t, os.Remove(h.config))
	h.service("fed", "restart: always\ndepends: [{configuration: true}]", "environment", "WORD", "serve")

	d := h.start()
	d.event(t, 0, "ext-fed", `Waiting for extension service config`)

	applied := h.cli("config", "apply", "-f", h.document("fed", "first", "content1")).done(t)
	matches(t, "apply", applied, `NAME +ACTION +SOURCE\nfed +created +`+filepath.Join(h.config, "fed.yaml")+`\n\nSERVICE +ACTION\next-fed +changed\n`)

	started := d.started(t, 0, "ext-fed")
	h.printed("ext-fed", "first")
	equalText(t, h.cli("exec", "fed", "--", "/program", "file", "/word").done(t), "content1\n")

	before := d.now(t)
	matches(t, "the same again", h.cli("config", "apply", "-f", h.document("fed", "first", "content1")).done(t), `NAME +ACTION +SOURCE\nfed +unchanged +.*\n`)
	matches(t, "reload", h.cli("reload").done(t), "Nothing has changed\n")

	if now := d.now(t); now != before {
		t.Errorf("records were written: %d after %d", now, before)
	}

	matches(t, "apply again", h.cli("config", "apply", "-f", h.document("fed", "second", "content2")).done(t), `(?s).*fed +changed.*ext-fed +changed\n`)
	d.started(t, started.GetSeq(), "ext-fed")
	h.printed("ext-fed", "second")
	equalText(t, h.cli("exec", "fed", "--", "/program", "file", "/word").done(t), "content2\n")

	shown := h.cli("config", "list").done(t) + h.cli("config", "show", "fed").done(t) + h.cli("events").done(t)
	if strings.Contains(shown, "second") || strings.Contains(shown, "content2") || !strings.Contains(shown, "/word") {
		t.Errorf("a list shows:\n%s", shown)
	}

	if whole := h.cli("config", "show", "fed", "--reveal").done(t); !strings.Contains(whole, "WORD=second") || !strings.Contains(whole, "content2") {
		t.Errorf("revealed:\n%s", whole)
	}

	before = d.now(t)
	matches(t, "delete", h.cli("config", "delete", "ext-fed").done(t), `(?s).*fed +deleted.*ext-fed +changed\n`)
	d.event(t, before, "ext-fed", `Waiting for extension service config`)

	// Nor did it start once more because the directory had changed.
	starts := 0

	for _, line := range d.history("ext-fed") {
		if strings.Contains(line, "Started task") {
			starts++
		}
	}

	if starts != 2 {
		t.Errorf("it started %d times:\n%s", starts, list(d.history("ext-fed")))
	}
}

// A document with a mistake changes nothing, and a directory with one is told by reload.
func TestConfigMistakes(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("fed", "restart: always", "serve")

	d := h.start()
	d.started(t, 0, "ext-fed")

	wrong := h.document("fed", "word", "x")
	content, err := os.ReadFile(wrong)
	must(t, err)
	must(t, os.WriteFile(wrong, bytes.Replace(content, []byte("/word"), []byte("word"), 1), 0o600))

	asked := h.cli("config", "apply", "-f", wrong)
	if asked.code != 1 || !strings.HasPrefix(asked.stdout, wrong+":8:16: this mountPath is not the path of a file") {
		t.Errorf("apply: %+v", asked)
	}

	entries, err := os.ReadDir(h.config)
	if err != nil || len(entries) != 0 {
		t.Errorf("the directory has %v, %v", entries, err)
	}

	h.write("bad.yaml", "name: bad\n")

	if reloaded := h.cli("reload"); reloaded.code != 1 || !strings.Contains(reloaded.stdout, filepath.Join(h.services, "bad.yaml")+":") {
		t.Errorf("reload: %+v", reloaded)
	}
}

// A command in a container has its service's root file system, streams of its own, and a code.
func TestExec(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("busy", "restart: always", "serve")

	d := h.start()
	d.started(t, 0, "ext-busy")

	equalText(t, h.cli("exec", "busy", "-e", "WORD=given", "--", "./program", "print", "one", "environment", "WORD").done(t), "one\ngiven\n")

	if ended := h.cli("exec", "ext-busy", "--", "./program", "print", "out", "nonsense"); ended.code != 99 || ended.stdout != "out\n" ||
		!strings.Contains(ended.stderr, "unknown word") {
		t.Errorf("a command that fails: %+v", ended)
	}

	if missing := h.cli("exec", "busy", "--", "/missing"); missing.code != 127 || missing.stdout != "" ||
		missing.stderr != "extactor: cannot run a command in \"ext-busy\": command \"/missing\" not found in the container\n" {
		t.Errorf("a command that is missing: %+v", missing)
	}

	// Input is handed on to its end, whatever it has in it.
	bytesOfAll := bytes.Repeat([]byte("\x00\xff\x04text\r\n"), 100_000)
	command := exec.CommandContext(t.Context(), extactor, "exec", "--socket", h.socket(), "busy", "--", "./program", "copy")
	command.Stdin = bytes.NewReader(bytesOfAll)

	output, err := command.Output()
	if err != nil || !bytes.Equal(output, bytesOfAll) {
		t.Errorf("%d of %d bytes came back, %v", len(output), len(bytesOfAll), err)
	}

	// Who goes away takes the command along.
	mark := filepath.Join(h.dir, "mark") + "/" // by which it is found
	left := h.background("exec", "busy", "--", "./program", "print", "ready", "stubborn", mark)
	left.lines.await(t, "its line", func(line string) bool { return line == "ready" })

	ended := make(chan struct{})
	descriptor := openProcess(t, mark)

	go func() {
		for {
			ready, err := unix.Poll([]unix.PollFd{{Fd: int32(descriptor), Events: unix.POLLIN}}, int(patience.Milliseconds()))
			if ready > 0 {
				close(ended)
			}

			if err != unix.EINTR {
				return
			}
		}
	}()

	left.interrupt()
	await(t, "the end of the command", ended)

	h.cli("service", "busy", "stop").done(t)

	if stopped := h.cli("exec", "busy", "--", "./program"); stopped.code != 1 || !strings.Contains(stopped.stderr, "it is Finished, not Running") {
		t.Errorf("in a service that is stopped: %+v", stopped)
	}
}

// On a terminal the command gets a terminal of the same size, and learns of a new one; over the network, too.
func TestExecOnATerminal(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("busy", "restart: always", "serve")

	r := startListening(t, h, "127.0.0.1:0")
	r.started(t, 0, "ext-busy")

	t.Run("on the host", func(t *testing.T) { execOnATerminal(t, "--socket", h.socket()) })
	t.Run("over the network", func(t *testing.T) { execOnATerminal(t, "--talosconfig", r.talosconfig("admin")) })
}

// execOnATerminal runs a command in ext-busy of the daemon that the flags name.
func execOnATerminal(t *testing.T, flags ...string) {
	t.Helper()

	ours, theirs := openPTY(t)
	setSize(t, ours, 101, 31)

	before, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	must(t, err)

	command := exec.CommandContext(t.Context(), extactor, append(flags, "exec", "busy", "--", "./program", "terminal")...)
	command.Stdin, command.Stdout, command.Stderr = theirs, theirs, theirs
	command.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	must(t, command.Start())

	screen := newFeed[string]()

	go func() {
		defer screen.end()

		var seen string

		for buffer := make([]byte, 4096); ; {
			n, err := ours.Read(buffer)
			if err != nil {
				return
			}

			seen += string(buffer[:n])
			for line, rest, found := strings.Cut(seen, "\n"); found; line, rest, found = strings.Cut(seen, "\n") {
				screen.add(strings.TrimRight(line, "\r"))
				seen = rest
			}
		}
	}()

	line := func(want string) {
		t.Helper()
		screen.await(t, "the line "+want, func(line string) bool { return strings.HasSuffix(line, want) })
	}

	line("size 101x31")
	setSize(t, ours, 120, 40)
	line("size 120x40")

	// The key Ctrl-C is the command's, not ours.
	_, err = io.WriteString(ours, "\x03")
	must(t, err)
	line("interrupted")

	_ = command.Wait()

	if code := command.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exit code %d", code)
	}

	if after, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS); err != nil || *after != *before {
		t.Errorf("the terminal is not as before: %+v, %v", after, err)
	}
}

// openProcess opens the one process in a container whose command line has the mark.
func openProcess(t testing.TB, mark string) (pidfd int) {
	t.Helper()

	for _, found := range processesNaming(strings.TrimSuffix(mark, "/")) {
		pid, line, _ := strings.Cut(found, " ")
		if !strings.HasPrefix(line, "./program") {
			continue
		}

		number, err := strconv.Atoi(pid)
		must(t, err)

		pidfd, err = unix.PidfdOpen(number, 0)
		must(t, err)
		t.Cleanup(func() { _ = unix.Close(pidfd) })

		return pidfd
	}

	t.Fatalf("no process has %s in its command line", mark)

	return -1
}

func equalText(t testing.TB, got, want string) {
	t.Helper()

	if got != want {
		t.Errorf("%q, not %q", got, want)
	}
}

// openPTY makes a terminal: the side of whoever looks at it, and that of its programs.
func openPTY(t testing.TB) (ours, theirs *os.File) {
	t.Helper()

	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { ours.Close() })
	must(t, unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))

	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	must(t, err)

	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { theirs.Close() })

	return ours, theirs
}

func setSize(t testing.TB, terminal *os.File, columns, rows uint16) {
	t.Helper()
	must(t, unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}))
}
