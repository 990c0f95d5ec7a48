package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file with three mistakes is reported with three places, by the daemon and by validate, and hinders no other.
func TestFileWithMistakes(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("good", "restart: always", "serve")
	h.write("bad.yaml", "name: Bad Name\ncontainer:\n  args: [x]\nrestart: sometimes\n")

	bad := filepath.Join(h.services, "bad.yaml")
	mistakes := []string{
		bad + ":1:7: the name \"Bad Name\" is not allowed", bad + ":3:3: entrypoint is required",
		bad + ":4:10: restart is \"sometimes\": allowed are always, never or untilSuccess",
	}

	d := h.start()
	d.started(t, 0, "ext-good")
	d.event(t, 0, "", "Skipped "+regexp.QuoteMeta(bad)+", which has problems at line:column 1:7, 3:3, 4:10")

	for _, mistake := range mistakes {
		place, what, _ := strings.Cut(mistake, ": ")
		if line := d.line(t, place); !strings.Contains(line, what) {
			t.Errorf("the console says: %q", line)
		}
	}

	checked := h.cli("validate", h.services)
	if checked.code != 1 || checked.stderr != "extactor: cannot load every file; see above\n" {
		t.Errorf("validate: %+v", checked)
	}

	for _, wanted := range append(mistakes, "1 | name: Bad Name", filepath.Join(h.services, "good.yaml")+": ext-good is valid") {
		if !strings.Contains(checked.stdout, wanted) {
			t.Errorf("validate does not print %q but:\n%s", wanted, checked.stdout)
		}
	}
}

// A file that is wrong as a whole is told of by what is wrong, not by a place, and is to blame for nothing else.
func TestFilesThatCannotBeRead(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("waiting", "restart: always\ndepends: [{service: ext-nobody}]", "serve")
	h.write("empty.yaml", "# nothing yet\n")
	must(t, os.Mkdir(filepath.Join(h.services, "directory.yaml"), 0o755))
	must(t, os.Symlink("/nowhere", filepath.Join(h.services, "dangling.yaml")))

	empty, want := filepath.Join(h.services, "empty.yaml"), "the file is empty: a service needs at least name, container.entrypoint and restart"

	d := h.start()
	d.event(t, 0, "", "Skipped "+empty+", which has a problem: "+want)
	d.event(t, 0, "ext-waiting", "Waiting for service \"ext-nobody\" to be registered")

	skipped := "3 files were skipped: dangling.yaml (cannot read file: no such file or directory), " +
		"directory.yaml (cannot read file: it is a directory), empty.yaml (" + want + "); see: extactor validate " + h.services + "\n"
	if shown := h.cli("status").done(t); !strings.HasSuffix(shown, skipped) {
		t.Errorf("status does not end with\n%sbut is\n%s", skipped, shown)
	}

	if asked := h.cli("status", "empty"); asked.stderr != `extactor: service "empty" is not known, because its file was skipped: `+empty+" has a problem: "+want+"; see: extactor validate "+empty+"\n" {
		t.Errorf("status of it: %+v", asked)
	}

	if explained := h.cli("explain", "waiting").done(t); !strings.Contains(explained, "how it came to be: ") || strings.Contains(explained, "Skipped") {
		t.Errorf("explain:\n%s", explained)
	}
}

// A daemon without any service file is a daemon too.
func TestNoServices(t *testing.T) {
	t.Parallel()

	for name, said := range map[string]string{
		"empty":   "no service files (*.yaml) yet",
		"missing": "no service files: the directory does not exist yet",
		"a file":  "cannot read directory: it is a file; name the directory of the files *.yaml",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			h := newHost(t)
			if name != "empty" {
				must(t, os.Remove(h.services))
			}

			if name == "a file" {
				must(t, os.WriteFile(h.services, nil, 0o644))
			}

			d := h.start()
			d.state(t, "containerd", "Running")
			d.line(t, said)

			asked := h.cli("status", "x")
			matches(t, "status of an unknown service", asked.stderr,
				"extactor: service \"x\" is not known; known services: containerd, (journal, )?logd\n")

			if asked.code != 1 {
				t.Errorf("status of an unknown service: %+v", asked)
			}
		})
	}
}

func mountTmpfs(t testing.TB, path, options string, flags uintptr) {
	t.Helper()
	must(t, os.MkdirAll(path, 0o755))
	must(t, unix.Mount("tmpfs", path, "tmpfs", flags, options))
}

// The state directory may be mounted late. Services run meanwhile, and what happened is written afterwards.
func TestStateAppearsLate(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	disk := filepath.Join(h.dir, "disk")
	h.state = filepath.Join(disk, "var", "state")
	h.service("early", "restart: always", "serve")

	d := h.start()
	d.line(t, "journal: degraded")
	d.started(t, 0, "ext-early")
	h.cli("service", "early", "restart").done(t)

	if _, err := os.Stat(disk); err == nil {
		t.Errorf("%s was created", disk)
	}

	mountTmpfs(t, disk, "size=16m", 0)
	must(t, os.Mkdir(filepath.Dir(h.state), 0o755))
	d.line(t, "journal: no longer degraded")
	d.event(t, d.event(t, 0, "ext-early", "Restart requested").GetSeq(), "ext-early", "Started .*")

	lines := d.history("ext-early")

	h.end(unix.SIGKILL)

	d = h.start()
	d.event(t, 0, "ext-early", "Adopted .*")

	if now := d.history("ext-early"); strings.Join(now[:len(now)-1], "\n") != strings.Join(lines, "\n") {
		t.Errorf("EVENTS were:\n%s\nand are:\n%s", list(lines), list(now))
	}
}

// A full disk hinders no service; once there is room, nothing of what happened is missing.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	disk := filepath.Join(h.dir, "disk")
	h.state = filepath.Join(disk, "state")
	mountTmpfs(t, disk, "size=4m", 0)
	h.service("busy", "restart: always\nextactor: {stop: {signal: SIGKILL}}", "serve")

	d := h.start()
	last := d.started(t, 0, "ext-busy")

	filler := filepath.Join(disk, "filler")
	fill(t, filler)

	// What the journal has reserved already can still be written.
	const most = 200
	for restarts := 0; !strings.Contains(d.said(), "journal: degraded"); restarts++ {
		if restarts == most {
			t.Fatal("the journal can be written all the time")
		}

		h.cli("service", "busy", "restart").done(t)
		last = d.started(t, last.GetSeq(), "ext-busy")
	}

	h.cli("service", "busy", "restart").done(t)
	last = d.started(t, last.GetSeq(), "ext-busy")
	must(t, os.Remove(filler))
	d.line(t, "journal: no longer degraded")

	h.end(unix.SIGKILL)

	before := d
	d = h.start()
	d.event(t, last.GetSeq(), "ext-busy", "Adopted .*")

	// EVENTS of the daemon itself are part of the sequence too.
	earlier, _, _ := before.records.all()
	now, _, _ := d.records.all()

	for index, record := range earlier {
		if now[index].String() != record.String() {
			t.Fatalf("record %d was %v and is %v", index, record, now[index])
		}
	}
}

// fill takes all the room that a disk has.
func fill(t testing.TB, path string) {
	t.Helper()

	file, err := os.Create(path)
	must(t, err)

	defer file.Close()

	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
}

// What keeps a service from starting is said in plain words.
func TestPlainErrors(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	readOnly := filepath.Join(h.dir, "ro")
	mountTmpfs(t, readOnly, "", unix.MS_RDONLY)

	h.file("rootless", container{Entrypoint: "./program"}, "restart: never")
	h.file("flat", container{Entrypoint: "./program"}, "restart: never")
	must(t, os.WriteFile(filepath.Join(h.rootfs, "flat"), nil, 0o644))

	for name, inner := range map[string]container{
		"nothing": {Entrypoint: "./missing"},
		"plain":   {Entrypoint: "./text"},
		"bare":    {Entrypoint: "program"},
		"source":  {Entrypoint: "./program", Mounts: []mount{bind(readOnly+"/new", "/new")}},
		"kind":    {Entrypoint: "./program", Mounts: []mount{bind(h.dir, "/text")}},
	} {
		h.service(name, "")
		h.file(name, inner, "restart: never")
		must(t, os.WriteFile(filepath.Join(h.rootfs, name, "text"), []byte("text\n"), 0o644))
	}

	d := h.start()

	for name, problem := range map[string]string{
		"rootless": fmt.Sprintf("its root file system %q does not exist: put the files of the container there", filepath.Join(h.rootfs, "rootless")),
		"flat":     fmt.Sprintf("its root file system %q is a file, not a directory", filepath.Join(h.rootfs, "flat")),
		"nothing":  fmt.Sprintf(`entrypoint "./missing" not found in the container's root file system (%s) or its mounts (a symbolic link must lead to a file inside)`, filepath.Join(h.rootfs, "nothing")),
		"plain":    `entrypoint "./text" is not an executable file: it lacks the execute permission (chmod +x), is a directory, or lies on a mount with the option noexec`,
		"bare":     `entrypoint "program" has no slash and the service's environment sets no PATH in which to look for it: write ./program for the top of the root file system`,
		"source":   fmt.Sprintf("mount source %q does not exist and cannot be created: read-only file system", readOnly+"/new"),
		"kind":     fmt.Sprintf("mount source %q is a directory, but \"/text\" in the container's root file system is a file", h.dir),
	} {
		id := "ext-" + name
		problem = fmt.Sprintf("cannot start %q: %s", id, problem)

		if failed := d.state(t, id, "Failed"); failed.GetProblem() != problem {
			t.Errorf("problem of %s:\n%s\nnot:\n%s", id, failed.GetProblem(), problem)
		}

		if block := h.cli("status", name).done(t); strings.Count(block, problem) < 2 {
			t.Errorf("status does not show the problem and the event:\n%s", block)
		}
	}
}
