package daemon_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/tests/integration/setup"
)

// The builds between which these tests change.
const (
	older    = "v0.3.0"
	newer    = "v0.4.0"
	unusable = "v0.5.0" // its containerd does not start
)

// unusableChange makes the build whose containerd does not start.
const (
	unusableFile = "internal.go" // of cmd/extactor
	unusableFrom = "return server.Run(command.Context(), config)"
	unusableTo   = `_ = server.Run; return fmt.Errorf("this build is broken")`
)

var buildOnce = map[string]func() (string, error){
	older:    sync.OnceValues(func() (string, error) { return buildVersion(older) }),
	newer:    sync.OnceValues(func() (string, error) { return buildVersion(newer) }),
	unusable: sync.OnceValues(func() (string, error) { return buildVersion(unusable) }),
}

// buildVersion returns a directory with the programs of a version.
func buildVersion(version string) (string, error) {
	directory := filepath.Join(filepath.Dir(programPath), version)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return "", err
	}

	var flags []string

	if version == unusable {
		overlay, err := overlayOf(directory)
		if err != nil {
			return "", err
		}

		flags = append(flags, "-overlay="+overlay)
	}

	return directory, setup.Build(directory+"/", root+"/cmd/...", append(flags, "-ldflags=-s -w -X main.version="+version)...)
}

// overlayOf writes what the compiler is to read instead of a file.
func overlayOf(directory string) (string, error) {
	file, err := filepath.Abs(filepath.Join(root, "cmd/extactor", unusableFile))
	if err != nil {
		return "", err
	}

	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}

	if !strings.Contains(string(text), unusableFrom) {
		return "", fmt.Errorf("%s has changed: it does not contain %q", file, unusableFrom)
	}

	changed := filepath.Join(directory, unusableFile)
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), unusableFrom, unusableTo, 1)), 0o644); err != nil {
		return "", err
	}

	overlay := map[string]map[string]string{"Replace": {file: changed}}

	encoded, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}

	path := filepath.Join(directory, "overlay.json")

	return path, os.WriteFile(path, encoded, 0o644)
}

// install replaces the programs of the host as a package does: by a rename over those that run.
func (h *host) install(version string) {
	h.t.Helper()

	directory, err := buildOnce[version]()
	must(h.t, err)

	h.program = filepath.Join(h.dir, "bin", "extactor")
	must(h.t, os.MkdirAll(filepath.Dir(h.program), 0o755))

	for _, name := range []string{"extactor", "containerd-shim-extactor-v2"} {
		target := filepath.Join(h.dir, "bin", name)
		content, err := os.ReadFile(filepath.Join(directory, name))
		must(h.t, err)
		must(h.t, os.WriteFile(target+".new", content, 0o755))
		must(h.t, os.Rename(target+".new", target))
	}
}

// upgrade ends the daemon as a package does, and starts the next one with the programs of a version.
func (h *host) upgrade(version string) *daemon {
	h.t.Helper()

	h.signal(unix.SIGUSR1)

	if status := h.awaitEnd(); status.ExitStatus() != 0 {
		h.t.Errorf("after SIGUSR1: %v", status)
	}

	h.install(version)

	return h.start()
}

// parts are the processes that outlive the daemon: containerd, logd, shims. Each with the program that it runs: that of a
// package that was replaced is "(deleted)".
func (h *host) parts(name string) map[int]string {
	h.t.Helper()

	found := map[int]string{}

	for _, process := range processesNaming(h.dir) {
		words := strings.Fields(process)
		if !slices.Contains(words[1:min(3, len(words))], name) && filepath.Base(words[1]) != name {
			continue
		}

		pid, err := strconv.Atoi(words[0])
		must(h.t, err)

		if program, err := os.Readlink("/proc/" + words[0] + "/exe"); err == nil {
			found[pid] = program
		}
	}

	return found
}

// onlyPart is the PID of the one process of that name, which must run what is installed.
func (h *host) onlyPart(name string) int {
	h.t.Helper()

	parts := h.parts(name)
	for pid, program := range parts {
		if len(parts) == 1 && program == h.program {
			return pid
		}
	}

	h.t.Fatalf("%s: %v", name, parts)

	return 0
}

// replaced waits until both parts are of the version that is installed. What was seen of the other version is recorded.
func (d *daemon) replaced(t testing.TB, after uint64, from, to string) {
	t.Helper()

	stays := "extactor " + from + ", to be replaced by " + to
	d.event(t, after, "logd", "Host service: running, of "+stays)
	d.event(t, after, "logd", "Host service: running")

	found := d.event(t, after, "containerd", `Connected to containerd \S+ \(of `+stays+`\) at .*`)
	d.event(t, found.GetSeq(), "containerd", `Connected to containerd \S+ at .*`)
}

// numbered demands that a log is 1, 2, 3, ..., and returns how many lines it has.
func (h *host) numbered(id string) int {
	h.t.Helper()

	lines := strings.Fields(h.cli("logs", id).done(h.t))
	for index, line := range lines {
		if line != strconv.Itoa(index+1) {
			h.t.Fatalf("line %d of %s is %q", index+1, id, line)
		}
	}

	return len(lines)
}

// printsOn waits until a service that counts has printed more.
func (h *host) printsOn(id string) {
	h.t.Helper()

	before := h.numbered(id)
	h.printed(id, strconv.Itoa(before+100))
}

// members are the processes of a service.
func (h *host) members(id string) []int {
	h.t.Helper()

	groups, err := cgroup.Directories(filepath.Join(h.cgroup(), id))
	must(h.t, err)

	var members []int

	for _, group := range groups {
		listed, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		must(h.t, err)

		for _, word := range strings.Fields(string(listed)) {
			pid, err := strconv.Atoi(word)
			must(h.t, err)

			if !slices.Contains(members, pid) { // hierarchies have the same
				members = append(members, pid)
			}
		}
	}

	return members
}
