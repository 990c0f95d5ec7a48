package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/pkg/cap"

	"github.com/extactor/extactor/spec"
)

// inspection is what the program "inspect" prints.
type inspection struct {
	Args, Env             []string
	Cwd, Mounts, OOMScore string
	RootMode              string
	Status, Spaces        map[string]string
	Actions, Contents     map[string]string
	Files                 uint64
	PID                   int
}

func inspect(t *testing.T, service *spec.Service, host Host, environmentFile ...string) inspection {
	t.Helper()
	output, err := run(t, needRuntime(t, "runc"), service, host, environmentFile...)
	if err != nil {
		t.Fatal(err)
	}
	var seen inspection
	if err := json.Unmarshal([]byte(output), &seen); err != nil {
		t.Fatalf("%v in %q", err, output)
	}
	return seen
}

// mountOptions returns the options of the mount that is visible at the path: the last one.
func (i inspection) mountOptions(path string) []string {
	var options []string
	for line := range strings.Lines(i.Mounts) {
		if fields := strings.Fields(line); len(fields) > 5 && fields[4] == path {
			options = strings.Split(fields[5], ",")
		}
	}
	return options
}

// What a privileged container of a plain service file sees, from the inside.
func TestContainerSeesWhatTheTableSays(t *testing.T) {
	needRuntime(t, "runc")
	host := newRootfs(t, "table")
	host.HostsFile, host.ResolvConf = filepath.Join(t.TempDir(), "hosts"), filepath.Join(t.TempDir(), "resolv.conf")
	mustWrite(t, host.HostsFile, "192.0.2.1 example\n", 0o644)
	mustWrite(t, host.ResolvConf, "nameserver 192.0.2.2\n", 0o644)
	source := t.TempDir()
	seen := inspect(t, &spec.Service{Name: "table", Container: spec.Container{
		Entrypoint: "./inspect",
		Args: []string{
			"write", "/in-rootfs", "write", "/data/file", "write", "/proc/sys/kernel/printk", "read", "/proc/keys",
			"mknod", "/dev/test-node", "read", "/etc/hosts", "read", "/etc/resolv.conf", "write", "/etc/hosts",
		},
		Environment: []string{"A=$HOME", "B=from the list"},
		Mounts:      []spec.Mount{{Source: source, Destination: "/data", Type: "bind", Options: []string{"bind", "rw"}}},
	}}, host, "B=from the file", "C=from the file")

	check := func(what string, ok bool) {
		t.Helper()
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
	check("args: entrypoint, then args", seen.Args[0] == "./inspect" && seen.Args[1] == "write")
	check("cwd /", seen.Cwd == "/")
	seen.Env = slices.DeleteFunc(seen.Env, func(entry string) bool { return entry == "HOME=/" }) // runc adds it
	check("environment: later wins, literal", slices.Equal(seen.Env, []string{"B=from the list", "C=from the file", "A=$HOME"}))
	check("own pid namespace, and PID 1 in it", seen.PID == 1 && seen.Spaces["pid"] != space(t, "pid"))
	check("own uts and mount namespaces", seen.Spaces["uts"] != space(t, "uts") && seen.Spaces["mnt"] != space(t, "mnt"))
	for _, shared := range []string{"net", "ipc", "user", "cgroup"} {
		check("shared "+shared+" namespace", seen.Spaces[shared] == space(t, shared))
	}
	granted := capabilityMask(t, slices.DeleteFunc(slices.Clone(host.Capabilities), func(name string) bool {
		return name == "CAP_SYS_BOOT" || name == "CAP_SYS_MODULE"
	}))
	for _, set := range []string{"CapBnd", "CapEff", "CapPrm", "CapInh"} {
		check("capabilities in "+set, capabilityMaskOf(t, seen.Status, set) == granted)
	}
	check("no new privileges", seen.Status["NoNewPrivs"] == "1")
	check("seccomp filter", seen.Status["Seccomp"] == "2")
	if slices.Contains(host.Capabilities, "CAP_SYS_RESOURCE") {
		check("out-of-memory score", seen.OOMScore == "-600")
	} else {
		check("out-of-memory score inherited, as lowering it needs CAP_SYS_RESOURCE", seen.OOMScore == ownOOMScore(t))
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	check("file limit is not containerd's 1024", seen.Files != 1024 || limit.Cur == 1024)
	check("devices allowed", seen.Actions["mknod /dev/test-node"] == "ok")
	check("root read-only", strings.Contains(seen.Actions["write /in-rootfs"], "read-only file system"))
	check("/sys read-only", slices.Contains(seen.mountOptions("/sys"), "ro"))
	check("/proc/sys read-only", strings.Contains(seen.Actions["write /proc/sys/kernel/printk"], "read-only file system"))
	check("/proc/keys masked", seen.Actions["read /proc/keys"] == "ok" && seen.Contents["/proc/keys"] == "")
	check("hosts", seen.Contents["/etc/hosts"] == "192.0.2.1 example\n")
	check("hosts read-only", strings.Contains(seen.Actions["write /etc/hosts"], "read-only file system"))
	check("resolv.conf", seen.Contents["/etc/resolv.conf"] == "nameserver 192.0.2.2\n")
	check("the file's mount is writable", seen.Actions["write /data/file"] == "ok" && fileExists(filepath.Join(source, "file")))
	check("/ is open to every user, as its directory is", seen.RootMode == "drwxr-xr-x")
	entries, err := os.ReadDir(host.Rootfs("table"))
	check("the service's own directory is untouched", err == nil && len(entries) == 1)
	if t.Failed() {
		t.Logf("%+v", seen)
	}
}

// The same with writeableRootfs, writeableSysfs, and empty maskedPaths and readonlyPaths.
func TestContainerWithLoosenedSecurity(t *testing.T) {
	needRuntime(t, "runc")
	host := newRootfs(t, "loose")
	seen := inspect(t, &spec.Service{Name: "loose", Container: spec.Container{
		Entrypoint: "/inspect",
		Args:       []string{"write", "/in-rootfs"},
		Security: spec.Security{
			WriteableRootfs: true, WriteableSysfs: true, MaskedPaths: []string{}, ReadonlyPaths: []string{},
		},
	}}, host)
	if seen.Actions["write /in-rootfs"] != "ok" {
		t.Errorf("writeableRootfs: %q", seen.Actions["write /in-rootfs"])
	}
	if fileExists(filepath.Join(host.Rootfs("loose"), "in-rootfs")) {
		t.Error("what the container wrote reached its own directory, which should stay as it is")
	}
	if options := seen.mountOptions("/sys"); !slices.Contains(options, "rw") {
		t.Errorf("writeableSysfs: /sys has %v", options)
	}
	for _, path := range []string{"/proc/keys", "/proc/sys", "/sys/firmware"} {
		if options := seen.mountOptions(path); options != nil {
			t.Errorf("%s is covered although both lists are empty: %v", path, options)
		}
	}
}

func TestContainerOfADaemonWithFewerCapabilities(t *testing.T) {
	needRuntime(t, "runc")
	host := newRootfs(t, "few")
	host.Capabilities = []string{"CAP_CHOWN", "CAP_SYS_BOOT", "CAP_KILL"}
	seen := inspect(t, &spec.Service{Name: "few", Container: spec.Container{Entrypoint: "./inspect"}}, host)
	want := capabilityMask(t, []string{"CAP_CHOWN", "CAP_KILL"})
	if got := capabilityMaskOf(t, seen.Status, "CapEff"); got != want {
		t.Errorf("CapEff is %x, want %x", got, want)
	}
	if own := ownOOMScore(t); seen.OOMScore != own {
		t.Errorf("out-of-memory score %s, want it inherited: %s", seen.OOMScore, own)
	}
}

func ownOOMScore(t *testing.T) string {
	t.Helper()
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(own))
}

func space(t *testing.T, name string) string {
	t.Helper()
	link, err := os.Readlink("/proc/self/ns/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func capabilityMask(t *testing.T, names []string) uint64 {
	t.Helper()
	var mask uint64
	for _, name := range names {
		number := slices.Index(cap.Known(), name)
		if number < 0 {
			t.Fatalf("unknown capability %q", name)
		}
		mask |= 1 << number
	}
	return mask
}

func capabilityMaskOf(t *testing.T, status map[string]string, set string) uint64 {
	t.Helper()
	sets, err := cap.ParseProcPIDStatus(strings.NewReader(set + ":\t" + status[set] + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, mask := range sets {
		return mask
	}
	t.Fatalf("no %s in %v", set, status)
	return 0
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func inspectService() *spec.Service {
	return &spec.Service{Name: "x", Container: spec.Container{Entrypoint: "./inspect"}}
}
