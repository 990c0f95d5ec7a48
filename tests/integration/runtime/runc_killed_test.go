package runtime_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/service"
)

// runc is killed at random moments of its "create" and of its "start": the start fails with words that a person
// understands, nothing of it is left, and the next attempt starts.
func TestRuncKilled(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)

	for name, address := range servers(t) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, address)
			program := h.Service("victim", "print", "ready", "serve")
			failed := 0

			for attempt := uint64(1); attempt <= 16; attempt++ {
				request := service.StartRequest{ID: program.ID(), Attempt: attempt, BootID: "boot", Hash: "v1:hash", Spec: program}
				must(t, h.runtime.Prepare(t.Context(), request))

				command := []string{"create", "create", "create", "start"}[attempt%4]
				after := time.Duration(random.Int64N(int64(60 * time.Millisecond)))
				kill := h.killRunc(command, request.ID, after)

				_, err := h.runtime.Start(t.Context(), request)
				killed := kill()

				if err != nil {
					failed++

					h.plain(err)
					h.nothingOf(request.ID)
				}

				if err != nil && !killed {
					t.Errorf("attempt %d: %v", attempt, err)
				}

				must(t, h.runtime.Delete(t.Context(), task(request.ID, attempt)))
			}

			t.Logf("%d starts of 16 failed", failed)

			if failed == 0 {
				t.Error("runc was never hit")
			}

			last, _ := h.start(17, h.Service("victim", "print", "unharmed", "serve"))
			must(t, h.AwaitOutput(t.Context(), last.ID, "unharmed"))
			must(t, h.runtime.Signal(t.Context(), last, "SIGTERM"))

			if exit := h.wait(last); !exit.Known || exit.Code != 0 {
				t.Errorf("the last one ended with %v", exit)
			}
		})
	}
}

// killRunc kills the runc that carries out a command for a container, some time after it has appeared. The function that
// it returns ends that, and tells whether one was killed.
func (h *harness) killRunc(command, id string, after time.Duration) (end func() bool) {
	done, killed := make(chan struct{}), make(chan bool, 1)

	go func() {
		look := time.NewTicker(time.Millisecond)
		defer look.Stop()

		for {
			select {
			case <-done:
				killed <- false

				return
			case <-look.C:
			}

			for _, process := range h.runcs(id) {
				if !slices.Contains(process.words, command) {
					continue
				}

				select {
				case <-time.After(after):
				case <-done:
				}

				killed <- unix.Kill(process.pid, unix.SIGKILL) == nil

				return
			}
		}
	}()

	return func() bool {
		close(done)

		return <-killed
	}
}

type runc struct {
	pid   int
	words []string
}

// runcs are the OCI runtimes that work on a container of this run directory.
func (h *harness) runcs(id string) []runc {
	var found []runc

	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(line, []byte(h.config.RunDir+"/")) {
			continue
		}

		words := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))

		if err == nil && filepath.Base(words[0]) == "runc" && words[len(words)-1] == id {
			found = append(found, runc{pid, words})
		}
	}

	return found
}

// plain demands that an error says what was to be started, in one line that is not a riddle.
func (h *harness) plain(err error) {
	h.t.Helper()

	text := err.Error()
	if !strings.HasPrefix(text, `cannot start "ext-victim": `) || strings.Contains(text, "\n") || !strings.Contains(text, "was killed") {
		h.t.Errorf("the error is %q", text)
	}
}

// nothingOf demands that no process, cgroup, mount or record of a container is left.
func (h *harness) nothingOf(id string) {
	h.t.Helper()

	for _, process := range h.runcs(id) {
		h.t.Errorf("left: %v", process)
	}

	path := "/" + h.config.Namespace + "/" + id

	left, err := cgroup.Processes(path)
	if err != nil || len(left) > 0 {
		h.t.Errorf("left in %s: %v, %v", path, left, err)
	}

	if groups, err := cgroup.Directories(path); err != nil || len(groups) > 0 {
		h.t.Errorf("left: %v, %v", groups, err)
	}

	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(h.config.RunDir))
	must(h.t, err)

	for _, mount := range mounts {
		h.t.Errorf("left mounted: %s", mount.Mountpoint)
	}

	if _, err := os.Stat(filepath.Join(h.config.RunDir, "runc", h.config.Namespace, id)); err == nil {
		h.t.Errorf("runc remembers %s", id)
	}

	if h.config.Address == oci.Embedded {
		if _, err := os.Stat(filepath.Join(h.bundles(), id)); err == nil {
			h.t.Errorf("its bundle is left")
		}
	}
}
