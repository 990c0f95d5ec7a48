package daemon_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
)

// authorRun is one `extactor run`.
type authorRun struct {
	t       *testing.T
	command *exec.Cmd
	stderr  io.Closer
	lines   *feed[string] // of its standard error
	ended   chan struct{}
	host    *host // asks its daemon
}

// runAuthor starts it in a process group of its own, as a shell does, and waits until it says how to ask it.
func runAuthor(t *testing.T, words ...string) *authorRun {
	t.Helper()

	r := &authorRun{t: t, lines: newFeed[string](), ended: make(chan struct{})}
	r.command = exec.Command(extactor, append([]string{"run"}, words...)...)
	r.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	stderr, err := r.command.StderrPipe()
	must(t, err)

	r.stderr = stderr
	must(t, r.command.Start())

	go func() {
		defer close(r.ended)
		defer r.lines.end()

		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			r.lines.add(lines.Text())
		}

		_ = r.command.Wait()
	}()

	t.Cleanup(r.close)

	socket := strings.TrimPrefix(r.line(`^  export EXTACTOR_SOCKET=`), "  export EXTACTOR_SOCKET=")
	r.host = &host{t: t, run: filepath.Dir(socket), dir: filepath.Dir(filepath.Dir(socket))}

	return r
}

// line waits for a line that matches, also an earlier one.
func (r *authorRun) line(pattern string) string {
	r.t.Helper()

	return r.lines.await(r.t, pattern, regexp.MustCompile(pattern).MatchString)
}

// close presses Ctrl-C, and demands that nothing is left.
func (r *authorRun) close() {
	for presses := 1; ; presses++ {
		_ = unix.Kill(-r.command.Process.Pid, unix.SIGINT)

		select {
		case <-r.ended:
		case <-time.After(patience / 4):
			r.t.Errorf("it does not end by Ctrl-C, pressed %d times", presses)

			continue
		}

		break
	}

	lines, _, _ := r.lines.all()

	if code := r.command.ProcessState.ExitCode(); code != 0 {
		r.t.Errorf("exit code %d", code)
	}

	if r.host != nil {
		r.checkNothingLeft()
	}

	if r.t.Failed() {
		r.t.Logf("extactor run says:\n%s", list(lines))
	}
}

func (r *authorRun) checkNothingLeft() {
	left := processesNaming(r.host.dir)

	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(r.host.dir))
	must(r.t, err)

	for _, mount := range mounts {
		left = append(left, "mount "+mount.Mountpoint)
	}

	groups, err := cgroup.Directories(r.host.cgroup())
	must(r.t, err)

	if _, err := os.Lstat(r.host.dir); !errors.Is(err, fs.ErrNotExist) {
		left = append(left, "directory "+r.host.dir)
	}

	if left = append(left, groups...); len(left) > 0 {
		r.t.Errorf("left behind:\n%s", list(left))
	}
}

// authored writes a service file, and links the program into its root file system.
func authored(t *testing.T, file, rootfs, name, rest string, words ...string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(t, os.WriteFile(file, fmt.Appendf(nil, "name: %s\ncontainer:\n  entrypoint: ./program\n  args: [%s]\n%s\n",
		name, strings.Join(words, ", "), rest), 0o644))

	if rootfs != "" {
		must(t, os.MkdirAll(rootfs, 0o755))
		must(t, os.Link(programPath, filepath.Join(rootfs, "program")))
	}
}

// The author's loop: run, edit, mistype, correct, Ctrl-C.
func TestAuthorsLoop(t *testing.T) {
	t.Parallel()

	dir := shortDirectory(t)
	file := filepath.Join(dir, "web.yaml")

	authored(t, file, filepath.Join(dir, "rootfs"), "web", "restart: always", "print", "one", "serve")

	r := runAuthor(t, dir)
	r.line(`^\[ext-web\] one$`)
	r.line(`INF service\[ext-web\]\(Running\): Started task ext-web \(PID \d+\)`)

	authored(t, file, "", "web", "restart: always", "print", "two", "serve")
	r.line(`^\[ext-web\] two$`)
	pid := r.line(`service\[ext-web\]\(Running\): Started task`)

	authored(t, file, "", "web", "restart: sometimes", "print", "three", "serve")
	r.line(`web\.yaml:5:10: restart is "sometimes": allowed are always, never or untilSuccess$`)
	r.line(`^  5 \| restart: sometimes$`)
	r.line(`waiting for the correction`)

	if shown := r.host.cli("status", "web").done(t); !strings.Contains(shown, "Running") {
		t.Errorf("with a mistake in its file, %s does not go on as it was (%s)", shown, pid)
	}

	authored(t, file, "", "web", "restart: always", "print", "four", "serve")
	r.line(`^extactor: all files are valid now$`)
	r.line(`^\[ext-web\] four$`)

	// The name decides which root file system it has, and a second file may have its own.
	authored(t, file, "", "shop", "restart: always", "print", "five", "serve")
	r.line(`^\[ext-shop\] five$`)
	authored(t, filepath.Join(dir, "own.yaml"), filepath.Join(dir, "own"), "own", "restart: never", "print", "six")
	r.line(`^\[ext-own\] six$`)

	if lines, _, _ := r.lines.all(); strings.Contains(strings.Join(lines, "\n"), "] three") {
		t.Error("a file with a mistake was run")
	}
}

// One file is run without the others of its directory.
func TestAuthorsOneFile(t *testing.T) {
	t.Parallel()

	dir := shortDirectory(t)
	file := filepath.Join(dir, "web.yaml")

	authored(t, file, filepath.Join(dir, "rootfs"), "web", "restart: always", "print", "one", "serve")
	authored(t, filepath.Join(dir, "other.yaml"), "", "other", "restart: always", "serve")
	authored(t, filepath.Join(dir, "a-copy.yaml"), "", "web", "restart: always", "print", "copy", "serve")
	must(t, os.WriteFile(filepath.Join(dir, "wrong.yaml"), []byte("name: 1\n"), 0o600))

	r := runAuthor(t, file)
	r.line(`^\[ext-web\] one$`)

	authored(t, file, "", "web", "restart: sometimes", "print", "two", "serve")
	r.line(`web\.yaml:5:10: restart is "sometimes": allowed are always, never or untilSuccess$`)
	authored(t, file, "", "web", "restart: always", "print", "three", "serve")
	r.line(`^extactor: all files are valid now$`)
	r.line(`^\[ext-web\] three$`)

	if shown := r.host.cli("status").done(t); !strings.Contains(shown, "ext-web") || strings.Contains(shown, "other") {
		t.Errorf("status:\n%s", shown)
	}

	if lines, _, _ := r.lines.all(); strings.Contains(strings.Join(lines, "\n"), "wrong.yaml") || strings.Contains(strings.Join(lines, "\n"), "copy") {
		t.Errorf("another file counts:\n%s", strings.Join(lines, "\n"))
	}
}

// A program that is built anew runs, at once and once, also where there was none and for a service that has ended; one that
// somebody stopped stays so.
func TestAuthorBuilds(t *testing.T) {
	t.Parallel()

	dir := shortDirectory(t)
	starts := func(r *authorRun, id string) (count int) {
		lines, _, _ := r.lines.all()
		for _, line := range lines {
			count += strings.Count(line, "["+id+"] started")
		}

		return count
	}
	build := func(name string) { // as linkers and copying do, in place
		t.Helper()

		content, err := os.ReadFile(programPath)
		must(t, err)

		_ = os.Remove(filepath.Join(dir, name, "program"))
		must(t, os.WriteFile(filepath.Join(dir, name, "program"), content, 0o755))
	}

	for _, name := range []string{"web", "ended", "stopped"} {
		rest, last := "restart: always", "serve"
		if name == "ended" {
			rest, last = "restart: never", "environment"
		}

		authored(t, filepath.Join(dir, name+".yaml"), filepath.Join(dir, name), name, rest, "print", "started", last, "PATH")
	}

	must(t, os.Remove(filepath.Join(dir, "web", "program"))) // it is not built yet

	r := runAuthor(t, dir)
	r.line(`^\[ext-ended\] started$`)
	r.line(`^\[ext-stopped\] started$`)
	r.line(`service\[ext-ended\]\(Finished\)`)
	r.line(`entrypoint "./program" not found in the container's root file system \(` + dir + `/web\)`)
	r.host.cli("service", "stopped", "stop").done(t)

	build("stopped")
	build("web")
	r.line(`^\[ext-web\] started$`)
	r.line(`^extactor: the program of ext-web was built anew: restarting it$`)

	build("ended")
	r.line(`^extactor: the program of ext-ended was built anew: restarting it$`)
	r.lines.await(t, "its second run", func(string) bool { return starts(r, "ext-ended") == 2 })

	r.line(`Started task ext-web`)

	if shown := r.host.cli("status", "stopped").done(t); !strings.Contains(shown, "Finished") || starts(r, "ext-stopped") != 1 {
		t.Errorf("a service that was stopped:\n%s", shown)
	}
}

// What it has started ends with it, also where it fails on the way: here its socket cannot be made.
func TestAuthorFailsToStart(t *testing.T) {
	t.Parallel()

	dir := shortDirectory(t)
	authored(t, filepath.Join(dir, "web.yaml"), filepath.Join(dir, "web"), "web", "restart: always", "print", "up", "serve")

	// Left by one that was killed.
	sum := sha256.Sum256([]byte(dir))
	scratch := "/run/extactor-run-" + hex.EncodeToString(sum[:4])
	must(t, os.Mkdir(scratch, 0o700))
	must(t, unix.Mount("extactor", scratch, "tmpfs", 0, "mode=0700"))
	must(t, os.MkdirAll(filepath.Join(scratch, "run", "extactor.sock", "in the way"), 0o700))

	command := exec.Command(extactor, "run", dir)
	said, err := command.CombinedOutput()

	if command.ProcessState.ExitCode() != 1 || !strings.Contains(string(said), "extactor.sock") {
		t.Errorf("%v:\n%s", err, said)
	}

	(&authorRun{t: t, host: &host{t: t, dir: scratch, run: filepath.Join(scratch, "run")}}).checkNothingLeft()
}

// shortDirectory is a scratch directory in which the program may be linked.
func shortDirectory(t *testing.T) string {
	t.Helper()

	dir, err := os.MkdirTemp("/tmp", "ex")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })

	return dir
}

// Every layout in which an author may have it.
func TestAuthorsLayouts(t *testing.T) {
	t.Parallel()

	for name, row := range map[string]struct{ file, rootfs, run string }{
		"beside":               {"web.yaml", "web", ""},
		"one with rootfs":      {"other-name.yaml", "rootfs", ""},
		"extension":            {"rootfs/usr/local/etc/containers/web.yaml", "rootfs/usr/local/lib/containers/web", ""},
		"content of extension": {"usr/local/etc/containers/web.yaml", "usr/local/lib/containers/web", ""},
		"its directory of services": {"rootfs/usr/local/etc/containers/web.yaml", "rootfs/usr/local/lib/containers/web",
			"rootfs/usr/local/etc/containers"},
		"--rootfs":               {"web.yaml", "elsewhere/web", ""},
		"--rootfs for extension": {"rootfs/usr/local/etc/containers/web.yaml", "elsewhere/web", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := shortDirectory(t)
			authored(t, filepath.Join(dir, row.file), filepath.Join(dir, row.rootfs), "web", "restart: never", "print", "hello")

			words := []string{filepath.Join(dir, row.run)}
			if rootfs, _, elsewhere := strings.Cut(row.rootfs, "where/"); elsewhere {
				words = append(words, "--rootfs", filepath.Join(dir, rootfs+"where"))
			}

			runAuthor(t, words...).line(`^\[ext-web\] hello$`)
		})
	}
}

// A new author makes every mistake once, in the example. Each is shown with its place and what to write instead, while
// everything goes on.
func TestAuthorsMistakes(t *testing.T) {
	t.Parallel()

	example, err := os.ReadFile(root + "/examples/hello-world/hello-world.yaml")
	must(t, err)

	dir := shortDirectory(t)
	file := filepath.Join(dir, "hello-world.yaml")
	write := func(text string) { must(t, os.WriteFile(file, []byte(text), 0o644)) }

	must(t, os.Mkdir(filepath.Join(dir, "rootfs"), 0o755))
	must(t, os.Link(helloPath, filepath.Join(dir, "rootfs", "hello-world")))

	// Also as the first thing.
	write(strings.Replace(string(example), "always", "alwys", 1))

	r := runAuthor(t, dir)
	r.line(`hello-world\.yaml:10:10: restart is "alwys": allowed are always, never or untilSuccess`)

	for _, row := range []struct{ right, wrong, place, message string }{
		{"name:", "nmae:", "1:1", `unknown field "nmae" .*did you mean "name"\?`},
		{"hello-world\n", "Hello\n", "1:7", `the name "Hello" is not allowed: a name consists of lower-case letters`},
		{"container:", "contaner:", "2:1", `unknown field "contaner" .*did you mean "container"\?`},
		{"entrypoint:", "entrypont:", "3:3", `unknown field "entrypont" .*did you mean "entrypoint"\?`},
		{"args:", "arg:", "4:3", `warning: unknown field "arg" in container: did you mean "args"\?`},
		{"depends:", "depend:", "7:1", `warning: unknown field "depend" .*did you mean "depends"\?`},
		{"network:", "netwrok:", "8:5", `unknown dependency "netwrok": did you mean "network"\?`},
		{"addresses", "adresses", "9:7", `network check "adresses" is unknown: allowed are addresses, `},
		{"restart:", "restrat:", "10:1", `unknown field "restrat" .*did you mean "restart"\?`},
	} {
		wrong := strings.Replace(string(example), row.right, row.wrong, 1)
		write(wrong)
		r.line(`hello-world\.yaml:` + row.place + `: ` + row.message)

		line, err := strconv.Atoi(strings.Split(row.place, ":")[0])
		must(t, err)
		r.line(fmt.Sprintf(`^  %d \| %s$`, line, regexp.QuoteMeta(strings.Split(wrong, "\n")[line-1])))
	}

	// On its own, whether or not this machine has an address.
	write("name: hello-world\ncontainer:\n  entrypoint: ./hello-world\n  args: [--msg, all is well]\nrestart: always\n")
	r.line(`^\[ext-hello-world\] all is well$`)
}

// Every mistake that can be made in a field, as spec has them, each in a file of its own: all are shown at once, with file,
// line, column and what to write instead.
func TestAuthorsMistakeInEachField(t *testing.T) {
	t.Parallel()

	dir := shortDirectory(t)

	var wanted []string

	datadriven.RunTest(t, root+"/spec/testdata/typos/fields.txt", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd == "base" {
			must(t, os.WriteFile(filepath.Join(dir, "base"), []byte(d.Input+"\n"), 0o644))

			return d.Expected
		}

		base, err := os.ReadFile(filepath.Join(dir, "base"))
		must(t, err)

		right, wrong, _ := strings.Cut(strings.ReplaceAll(d.Input, `\n`, "\x00"), "\n")
		unescape := strings.NewReplacer("\x00", "\n").Replace
		file := fmt.Sprintf("m%03d.yaml", len(wanted))
		content := strings.Replace(string(base), unescape(right), unescape(wrong), 1)
		must(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644))

		first, _, _ := strings.Cut(d.Expected, "\n")
		wanted = append(wanted, filepath.Join(dir, file)+strings.TrimPrefix(first, "x.yaml"))

		return d.Expected
	})
	must(t, os.Remove(filepath.Join(dir, "base")))

	r := runAuthor(t, dir)
	r.line(`^extactor: waiting for the correction`)

	for _, want := range wanted {
		r.lines.await(t, want, func(line string) bool { return line == want })
	}
}

// What keeps everything from running is said in one line.
func TestAuthorsPlainErrors(t *testing.T) {
	t.Parallel()

	dir := shortDirectory(t)
	empty, other := filepath.Join(dir, "empty"), filepath.Join(dir, "other")
	file := filepath.Join(dir, "web.yaml")

	must(t, os.Mkdir(empty, 0o755))
	must(t, os.Mkdir(other, 0o755))
	must(t, os.Mkdir(dir+"/rootfs", 0o755))
	must(t, os.WriteFile(other+"/web.yml", []byte("name: web\n"), 0o644))
	must(t, os.Chmod(dir, 0o755))
	authored(t, file, "", "web", "restart: never")

	open := filepath.Join(dir, "extactor") // where others may go
	content, err := os.ReadFile(extactor)
	must(t, err)
	must(t, os.WriteFile(open, content, 0o755))

	h := &host{t: t}
	start := func(environment []string, words ...string) outcome {
		return h.cliWith(environment, append([]string{"run"}, words...)...)
	}

	for _, row := range []struct {
		got  outcome
		want string
	}{
		{start(nil, dir+"/none"), fmt.Sprintf("cannot run %q: there is no such directory or file", dir+"/none")},
		{start(nil, other+"/web.yml"), fmt.Sprintf("cannot run %q: service files end in .yaml", other+"/web.yml")},
		{start(nil, file, "--rootfs", empty+"/x"), fmt.Sprintf("cannot run %q: --rootfs: there is no directory %q", file, empty+"/x")},
		{start(nil, dir, "--rootfs", empty+"/x"), fmt.Sprintf("cannot run %q: --rootfs: there is no directory %q", dir, empty+"/x")},
		{start(nil, dir, "--config", file), fmt.Sprintf("cannot run %q: --config: %q is a file: name the directory that it is in, %[1]q", dir, file)},
		{start(nil, dir+"/rootfs"), fmt.Sprintf("cannot run %q: it has no service file; did you mean %q?", dir+"/rootfs", dir)},
		{start(nil, other), fmt.Sprintf("cannot run %q: service files end in .yaml: rename %q", other, other+"/web.yml")},
		{start(nil, empty), fmt.Sprintf("cannot run %q: there is no service file in %q: it needs a NAME.yaml there, "+
			"or in usr/local/etc/containers or rootfs/usr/local/etc/containers", empty, empty)},
		{start([]string{"PATH=/nonexistent"}, dir), fmt.Sprintf(
			`cannot run %q: cannot start the daemon: cannot find an OCI runtime: neither crun nor runc is installed: install runc with the system's package `+
				`manager (apt-get install runc, dnf install runc, apk add runc), or name a runtime by --oci-runtime`, dir)},
		{start([]string{"PATH=/nonexistent"}, dir, "--oci-runtime", "runc"), fmt.Sprintf(
			`cannot run %q: cannot start the daemon: cannot use OCI runtime "runc": it is not installed (try: apt-get install runc)`, dir)},
	} {
		if row.got.code != 1 || row.got.stderr != "extactor: "+row.want+"\n" {
			t.Errorf("%+v, want %s", row.got, row.want)
		}
	}

	command := exec.CommandContext(t.Context(), open, "run", dir)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}

	said, _ := command.CombinedOutput()
	if want := fmt.Sprintf("extactor: cannot run %q: containers, mounts and cgroups need root; try: sudo extactor run %s\n", dir, dir); string(said) != want {
		t.Errorf("as nobody: %s", said)
	}

	must(t, os.Remove(dir+"/rootfs"))

	// A service whose files are missing says so by itself, once they are there it can be started.
	r := runAuthor(t, dir)
	r.line(`cannot start "ext-web": its root file system "` + dir + `/web" does not exist: put the files of the container there`)

	if again := start(nil, dir); again.code != 1 || again.stderr != fmt.Sprintf("extactor: cannot run %q: it is run already, by another extactor run\n", dir) {
		t.Errorf("a second one: %+v", again)
	}

	r.line(`extactor: ext-web has no root file system: put the files of its container into ` + dir + `/web$`)
	must(t, os.Mkdir(filepath.Join(dir, "web"), 0o755))
	r.host.cli("service", "web", "restart").done(t)
	r.line(`entrypoint "./program" not found in the container's root file system \(` + dir + `/web\)`)
}

// A terminal that is closed, and a reader that goes away, end it as Ctrl-C does.
func TestAuthorGoesAway(t *testing.T) {
	t.Parallel()

	for name, leave := range map[string]func(*authorRun){
		"terminal": func(r *authorRun) { must(t, unix.Kill(-r.command.Process.Pid, unix.SIGHUP)) },
		"reader": func(r *authorRun) {
			must(t, r.stderr.Close())
			r.host.cli("service", "web", "restart") // which it cannot tell anybody; how far it gets does not matter
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			dir := shortDirectory(t)
			authored(t, filepath.Join(dir, "web.yaml"), filepath.Join(dir, "web"), "web", "restart: always", "print", "up", "serve")

			r := runAuthor(t, dir)
			r.line(`^\[ext-web\] up$`)
			r.line(`Started task ext-web`)
			leave(r)
			await(t, "its end", r.ended)
		})
	}
}

// The second Ctrl-C kills what the first one asked to stop.
func TestAuthorHurries(t *testing.T) {
	t.Parallel()

	dir := shortDirectory(t)
	authored(t, filepath.Join(dir, "web.yaml"), filepath.Join(dir, "web"), "web",
		"restart: always\nextactor: {stop: {timeout: 1h}}", "print", "up", "stubborn")

	r := runAuthor(t, dir)
	r.line(`^\[ext-web\] up$`)
	r.line(`Started task ext-web`)
	must(t, unix.Kill(-r.command.Process.Pid, unix.SIGINT))
	r.line(`Sending SIGTERM to task ext-web`)

	select {
	case <-r.ended:
		t.Fatal("the first Ctrl-C did not wait for the service")
	case <-time.After(time.Second): // also so that the second is not taken for an echo of the first
	}

	must(t, unix.Kill(-r.command.Process.Pid, unix.SIGINT))
	await(t, "its end", r.ended)
}

// Who interrupts exec has the code that a shell gives for the signal, and the command has gone.
func TestExecInterrupted(t *testing.T) {
	t.Parallel()

	dir := shortDirectory(t)
	authored(t, filepath.Join(dir, "web.yaml"), filepath.Join(dir, "web"), "web", "restart: always", "print", "up", "serve")

	r := runAuthor(t, dir)
	r.line(`Started task ext-web`)

	for _, signal := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		command := r.host.background("exec", "web", "--", "./program", "print", "ready", "stubborn")
		command.lines.await(t, "its line", func(line string) bool { return line == "ready" })
		must(t, command.command.Process.Signal(signal))
		await(t, "its end", command.ended)

		if code := command.command.ProcessState.ExitCode(); code != 128+int(signal) {
			t.Errorf("after %v: code %d", signal, code)
		}
	}
}
