package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/containerd/v2/core/mount"

	"github.com/extactor/extactor/spec"
)

// skip says loudly why a test did not run; where everything has to run, that is a failure.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s", why)
	}
	t.Skipf("SKIPPED: needs %s", why)
}

// needRuntime returns the commands that run each OCI runtime that is installed. crun gets a mount namespace in which
// the host's cgroups are no longer hybrid, which crun refuses before version 1.9.
func needRuntime(t *testing.T, name string) []string {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "root: makes containers")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, name)
	}
	if name != "crun" {
		return []string{path}
	}
	if _, err := exec.LookPath("unshare"); err != nil {
		skip(t, "unshare, of util-linux")
	}
	return []string{"unshare", "--mount", "sh", "-c",
		`umount /sys/fs/cgroup/unified 2>/dev/null; exec ` + path + ` "$@"`, "crun"}
}

// inspectProgram builds the program "inspect" once.
var inspectProgram = sync.OnceValues(func() ([]byte, error) {
	directory, err := os.MkdirTemp("", "extactor-inspect-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	program := filepath.Join(directory, "inspect")
	build := exec.Command("go", "build", "-o", program, "./testdata/inspect")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot build inspect: %w: %s", err, output)
	}
	return os.ReadFile(program)
})

// newRootfs makes a root file system with the program "inspect" and returns the host that it belongs to.
func newRootfs(t *testing.T, name string) Host {
	t.Helper()
	program, err := inspectProgram()
	if err != nil {
		t.Fatal(err)
	}
	capabilities, err := HostCapabilities()
	if err != nil {
		t.Fatal(err)
	}
	host := Host{RootfsDir: t.TempDir(), Capabilities: capabilities, CgroupParent: "/" + filepath.Base(filepath.Dir(t.TempDir()))}
	mustMkdir(t, host.Rootfs(name), 0o755)
	mustWrite(t, filepath.Join(host.Rootfs(name), "inspect"), string(program), 0o755)
	t.Cleanup(func() { removeCgroups(host.CgroupParent) })
	return host
}

// removeCgroups removes the parent that a runtime made for a container's cgroup, in every hierarchy.
func removeCgroups(parent string) {
	for _, pattern := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		found, _ := filepath.Glob(pattern + parent)
		for _, directory := range found {
			_ = os.Remove(directory)
		}
	}
}

// run runs the service to its end as containerd's shim would: overlay, bundle, runtime with its log in JSON. The error
// is what the runtime logged.
func run(t *testing.T, runtime []string, service *spec.Service, host Host, environmentFile ...string) (string, error) {
	t.Helper()
	generated, err := Generate(service, host, environmentFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	bundle, runDir := t.TempDir(), t.TempDir()
	rootfs := filepath.Join(bundle, "rootfs")
	mustMkdir(t, rootfs, 0o755)
	overlay, err := OverlayRootfs(service, host, runDir, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := overlay.Mount(rootfs); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := mount.UnmountAll(rootfs, 0); err != nil {
			t.Error(err)
		}
	}()
	if err := writeBundle(bundle, generated); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(bundle, "log.json")
	id := strings.Trim(host.CgroupParent, "/") + "-" + service.Name
	args := append(runtime[1:len(runtime):len(runtime)], "--root", filepath.Join(bundle, "state"), "--log", log,
		"--log-format", "json", "run", "--bundle", bundle, id)
	command := exec.Command(runtime[0], args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err == nil {
		return string(output), nil
	}
	return string(output), lastLogged(log, stderr.String())
}

// lastLogged returns the runtime's last error, else what the process wrote to stderr.
func lastLogged(path, stderr string) error {
	log, _ := os.ReadFile(path)
	last := strings.TrimSpace(stderr)
	for line := range strings.Lines(string(log)) {
		var entry struct{ Level, Msg string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Level == "error" {
			last = entry.Msg
		}
	}
	return errors.New("failed to create shim task: OCI runtime create failed: " + last + ": unknown")
}

func mustMkdir(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(path, mode); err != nil {
		t.Fatal(err)
	}
}

func mustWrite(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
