package runtime_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

func (h *harness) startConfigured(attempt uint64, program *spec.Service, config *spec.Config) service.Task {
	h.t.Helper()

	request := service.StartRequest{ID: program.ID(), Attempt: attempt, Spec: program, Config: config}
	must(h.t, h.runtime.Prepare(h.t.Context(), request))

	_, err := h.runtime.Start(h.t.Context(), request)
	must(h.t, err)

	return task(request.ID, attempt)
}

func file(path, content string) spec.ConfigFile {
	return spec.ConfigFile{MountPath: path, Content: content}
}

// Files reach the container at paths that exist and that do not, in a root file system that is read-only, over the
// service's own mounts, and are readable by users other than root.
func TestConfigFilesAreMounted(t *testing.T) {
	for name, address := range servers(t) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, address)
			program := h.Service("configured", "user", "65534", "read", "/a/b-c", "read", "/a-b/c", "read", "/etc/own", "read",
				"/mounted/over", "environment", "BOTH", "exit", "0")
			rootfs := filepath.Join(h.config.RootfsDir, "configured")
			must(t, os.MkdirAll(filepath.Join(rootfs, "etc"), 0o755))
			must(t, os.WriteFile(filepath.Join(rootfs, "etc", "own"), []byte("of the rootfs"), 0o644))

			source := t.TempDir()
			must(t, os.Chmod(source, 0o755))
			must(t, os.WriteFile(filepath.Join(source, "over"), []byte("of the mount"), 0o644))

			program.Container.Environment = []string{"BOTH=x"}
			program.Container.Mounts = []spec.Mount{
				{Source: source, Destination: "/mounted", Type: "bind", Options: []string{"bind", "ro"}},
			}
			configured := h.startConfigured(1, program, &spec.Config{
				Files:       []spec.ConfigFile{file("/a/b-c", "1"), file("/a-b/c", "2"), file("/etc/own", "3"), file("/mounted/over", "4")},
				Environment: []string{"BOTH=y"},
			})

			if exit := h.wait(configured); exit.Code != 0 || exit.LastLines != "1\n2\n3\n4\ny\n" {
				t.Errorf("exit: %v", exit)
			}

			own, err := os.ReadFile(filepath.Join(rootfs, "etc", "own"))
			if err != nil || string(own) != "of the rootfs" {
				t.Errorf("the service's own file holds %q: %v", own, err)
			}

			must(t, h.runtime.Delete(t.Context(), configured))

			if _, err := os.Stat(oci.ConfigDir(h.config.RunDir, configured.ID, 1)); err == nil {
				t.Error("the files are still there after Delete")
			}
		})
	}
}

func TestConfigFilesAreReadOnly(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	program := h.Service("writer", "write", "/etc/given", "exit", "0")
	program.Container.Security.WriteableRootfs = true

	writer := h.startConfigured(1, program, &spec.Config{Files: []spec.ConfigFile{file("/etc/given", "given")}})
	if exit := h.wait(writer); exit.Code != 99 || !strings.Contains(exit.LastLines, "read-only file system") {
		t.Errorf("exit: %v", exit)
	}
}

// Two services with the same path, and the next attempt of one with another document.
func TestConfigFilesBelongToOneAttempt(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	words := []string{"read", "/etc/same", "exit", "0"}
	one := h.startConfigured(1, h.Service("one", words...), &spec.Config{Files: []spec.ConfigFile{file("/etc/same", "1")}})
	two := h.startConfigured(1, h.Service("two", words...), &spec.Config{Files: []spec.ConfigFile{file("/etc/same", "2")}})

	for task, want := range map[service.Task]string{one: "1\n", two: "2\n"} {
		if exit := h.wait(task); exit.LastLines != want {
			t.Errorf("%s read %q, want %q", task.ID, exit.LastLines, want)
		}
	}

	again := h.startConfigured(2, h.Service("one", words...), nil)
	if exit := h.wait(again); exit.Code != 99 || !strings.Contains(exit.LastLines, "no such file") {
		t.Errorf("without the document: %v", exit)
	}

	left, err := os.ReadDir(filepath.Join(h.config.RunDir, "config"))
	if err != nil || len(left) != 1 || left[0].Name() != "ext-two.1" {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestConfigIsHiddenInLastLines(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	document := &spec.Config{
		Files:       []spec.ConfigFile{file("/etc/a", "user = admin\npassword = hunter22\n"), file("/etc/b", "tiny")},
		Environment: []string{"TOKEN=correct horse"},
	}
	program := h.Service("secretive", "print", "ready", "hangup", "environment", "TOKEN", "read", "/etc/a", "read", "/etc/b",
		"print", "said: password = hunter22", "exit", "1")
	secretive := h.startConfigured(1, program, document)
	must(t, h.AwaitOutput(t.Context(), secretive.ID, "ready"))

	changed := &spec.Config{Files: []spec.ConfigFile{file("/etc/a", "password = changed!"), file("/etc/b", "tiny")}}
	must(t, h.runtime.UpdateConfig(t.Context(), secretive, changed))
	must(t, h.runtime.Signal(t.Context(), secretive, "SIGHUP"))

	// What was replaced is a secret still.
	if exit := h.wait(secretive); exit.LastLines != "ready\n[redacted]\n[redacted]\ntiny\nsaid: [redacted]\n" {
		t.Errorf("last lines: %q", exit.LastLines)
	}
}

func TestConfigIsUpdatedInPlace(t *testing.T) {
	for name, address := range servers(t) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, address)
			document := func(content string) *spec.Config {
				return &spec.Config{Files: []spec.ConfigFile{file("/etc/a", content), file("/etc/b", "b")}}
			}
			program := h.Service("reloading", "read", "/etc/a", "hangup", "read", "/etc/a", "serve")
			reloading := h.startConfigured(1, program, document("first"))
			must(t, h.AwaitOutput(t.Context(), reloading.ID, "first"))

			for what, changed := range map[string]*spec.Config{
				"a file more":  {Files: append(document("x").Files, file("/etc/c", "c"))},
				"a file less":  {Files: document("x").Files[:1]},
				"another path": {Files: []spec.ConfigFile{file("/etc/a", "x"), file("/etc/c", "c")}},
				"no document":  nil,
			} {
				if err := h.runtime.UpdateConfig(t.Context(), reloading, changed); !errors.Is(err, service.ErrRestartNeeded) {
					t.Errorf("%s: %v", what, err)
				}
			}

			must(t, h.runtime.UpdateConfig(t.Context(), task(reloading.ID, 7), nil)) // gone: no error
			must(t, h.runtime.UpdateConfig(t.Context(), reloading, document("second")))
			must(t, h.runtime.Signal(t.Context(), reloading, "SIGHUP"))
			must(t, h.AwaitOutput(t.Context(), reloading.ID, "second"))
		})
	}
}

func TestLimitsAreInTheCgroup(t *testing.T) {
	for name, address := range servers(t) {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, address)
			program := h.Service("limited", "print", "ready", "allocate", "256", "exit", "0")
			program.Extactor.Resources = spec.Resources{Memory: 48 << 20, CPU: 0.5, PIDs: 64}

			limited, _ := h.start(1, program)
			must(t, h.AwaitOutput(t.Context(), limited.ID, "ready"))

			path := "/" + h.config.Namespace + "/" + limited.ID
			for _, limit := range []struct{ version1, value1, version2, value2 string }{
				{"memory.limit_in_bytes", "50331648", "memory.max", "50331648"},
				{"cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000"},
				{"pids.max", "64", "pids.max", "64"},
			} {
				if value := readLimit(t, path, limit.version1, limit.version2); value != limit.value1 && value != limit.value2 {
					t.Errorf("%s is %q, want %q", limit.version1, value, limit.value1)
				}
			}

			must(t, h.runtime.Signal(t.Context(), limited, "SIGTERM"))

			if exit := h.wait(limited); !exit.Oom || exit.Code != 137 || exit.Signal != int32(unix.SIGKILL) {
				t.Errorf("exit is %v", exit)
			}
		})
	}
}
