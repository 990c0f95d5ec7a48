package oci

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/spec"
)

func specOf(t *testing.T, container spec.Container, change ...func(*Host)) *specs.Spec {
	t.Helper()
	host := fixedHost()
	for _, apply := range change {
		apply(&host)
	}
	generated, err := Generate(&spec.Service{Name: "x", Container: container}, host, []string{"FILE=1", "BOTH=file"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return generated
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestTable says each row of the table of the reference system once more, beside the golden files.
func TestTable(t *testing.T) {
	s := specOf(t, spec.Container{
		Entrypoint: "./program", Args: []string{"-f", "$HOME"}, Environment: []string{"LIST=$FILE", "BOTH=list"},
	})
	equal(t, "ociVersion", s.Version, "1.0.2")
	equal(t, "rootfs", s.Root, &specs.Root{Path: "rootfs", Readonly: true})
	equal(t, "args", s.Process.Args, []string{"./program", "-f", "$HOME"})
	equal(t, "cwd", s.Process.Cwd, "/")
	equal(t, "user", s.Process.User, specs.User{})
	equal(t, "terminal", s.Process.Terminal, false)
	equal(t, "environment", s.Process.Env, []string{"FILE=1", "BOTH=list", "LIST=$FILE"})
	equal(t, "namespaces", s.Linux.Namespaces,
		[]specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}})
	equal(t, "hostname: the host's own", s.Hostname, "")
	equal(t, "no new privileges", s.Process.NoNewPrivileges, true)
	equal(t, "devices", s.Linux.Resources.Devices, []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}})
	equal(t, "rlimits", s.Process.Rlimits, []specs.POSIXRlimit(nil))
	equal(t, "oom_score_adj", *s.Process.OOMScoreAdj, -600)
	equal(t, "selinux", s.Process.SelinuxLabel+s.Linux.MountLabel, "")
	equal(t, "apparmor", s.Process.ApparmorProfile, "")
	equal(t, "cgroup", s.Linux.CgroupsPath, "/extactor/ext-x")
	equal(t, "rootfsPropagation", s.Linux.RootfsPropagation, "")
	equal(t, "annotations", len(s.Annotations), 0)
}

// capabilities: all that may be granted, but CAP_SYS_BOOT and CAP_SYS_MODULE; none ambient.
func TestCapabilities(t *testing.T) {
	s := specOf(t, spec.Container{Entrypoint: "x"})
	granted := s.Process.Capabilities
	for _, name := range fixedHost().Capabilities {
		want := name != "CAP_SYS_BOOT" && name != "CAP_SYS_MODULE"
		for set, names := range map[string][]string{"bounding": granted.Bounding, "effective": granted.Effective,
			"permitted": granted.Permitted, "inheritable": granted.Inheritable} {
			if slices.Contains(names, name) != want {
				t.Errorf("%s in the %s set: %v, want %v", name, set, !want, want)
			}
		}
	}
	equal(t, "ambient", granted.Ambient, []string(nil))
	none := specOf(t, spec.Container{Entrypoint: "x"}, func(host *Host) { host.Capabilities = nil })
	equal(t, "of a daemon that may grant none", len(none.Process.Capabilities.Bounding), 0)
	if none.Process.OOMScoreAdj != nil {
		t.Error("the out-of-memory score is lowered without CAP_SYS_RESOURCE: the runtime will fail")
	}
}

// seccomp: the default profile allows what the capabilities need, and no more.
func TestSeccompFollowsCapabilities(t *testing.T) {
	full := specOf(t, spec.Container{Entrypoint: "x"})
	equal(t, "profile", full.Linux.Seccomp, seccomp.DefaultProfile(full))
	few := specOf(t, spec.Container{Entrypoint: "x"}, func(host *Host) { host.Capabilities = []string{"CAP_CHOWN"} })
	for _, row := range []struct {
		call                   string
		withAll, withChownOnly bool
	}{
		{"read", true, true},
		{"mount", true, false},        // CAP_SYS_ADMIN
		{"reboot", false, false},      // CAP_SYS_BOOT is never granted
		{"init_module", false, false}, // nor is CAP_SYS_MODULE
	} {
		if got := allows(full, row.call); got != row.withAll {
			t.Errorf("%s with every capability: allowed %v", row.call, got)
		}
		if got := allows(few, row.call); got != row.withChownOnly {
			t.Errorf("%s with CAP_CHOWN alone: allowed %v", row.call, got)
		}
	}
}

func allows(s *specs.Spec, call string) bool {
	return slices.ContainsFunc(s.Linux.Seccomp.Syscalls, func(rule specs.LinuxSyscall) bool {
		return rule.Action == specs.ActAllow && slices.Contains(rule.Names, call)
	})
}

// maskedPaths and readonlyPaths: the defaults, or exactly what is given, even [].
func TestMaskedAndReadonlyPaths(t *testing.T) {
	defaults := specOf(t, spec.Container{Entrypoint: "x"})
	for _, want := range []string{"/proc/kcore", "/proc/keys", "/sys/firmware"} {
		if !slices.Contains(defaults.Linux.MaskedPaths, want) {
			t.Errorf("%s is not masked by default", want)
		}
	}
	equal(t, "read-only by default", defaults.Linux.ReadonlyPaths,
		[]string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})
	for _, given := range [][]string{{}, {"/a", "/b"}} {
		s := specOf(t, spec.Container{Entrypoint: "x", Security: spec.Security{MaskedPaths: given, ReadonlyPaths: given}})
		equal(t, fmt.Sprintf("masked, given %q", given), s.Linux.MaskedPaths, given)
		equal(t, fmt.Sprintf("read-only, given %q", given), s.Linux.ReadonlyPaths, given)
	}
}

// writeableRootfs, writeableSysfs and rootfsPropagation: what is without them, and with them.
func TestSecuritySwitches(t *testing.T) {
	tight, loose := specOf(t, spec.Container{Entrypoint: "x"}), specOf(t, spec.Container{Entrypoint: "x",
		Security: spec.Security{WriteableRootfs: true, WriteableSysfs: true, RootfsPropagation: "rshared"}})
	equal(t, "root without writeableRootfs", tight.Root.Readonly, true)
	equal(t, "root with writeableRootfs", loose.Root.Readonly, false)
	equal(t, "/sys without writeableSysfs", mountAt(tight, "/sys").Options, []string{"nosuid", "noexec", "nodev", "ro"})
	equal(t, "/sys with writeableSysfs", mountAt(loose, "/sys").Options, []string{"nosuid", "noexec", "nodev", "rw"})
	equal(t, "rootfsPropagation", loose.Linux.RootfsPropagation, "rshared")
}

func TestWriteableSysfsLeavesTheFilesOwnMountsAlone(t *testing.T) {
	own := spec.Mount{Source: "sysfs", Destination: "/host/sys", Type: "sysfs", Options: []string{"ro"}}
	s := specOf(t, spec.Container{Entrypoint: "x", Mounts: []spec.Mount{own}, Security: spec.Security{WriteableSysfs: true}})
	equal(t, "options", mountAt(s, "/host/sys").Options, []string{"ro"})
	equal(t, "the parsed file", own.Options, []string{"ro"})
}

// mounts: the defaults, hosts and resolv.conf, then those of the file in their order, unchanged.
func TestMountOrder(t *testing.T) {
	s := specOf(t, spec.Container{Entrypoint: "x", Mounts: []spec.Mount{
		{Source: "/b", Destination: "/z", Type: "bind", Options: []string{"rshared", "rbind"}},
		{Source: "/a", Destination: "/a", Type: "bind", Options: []string{"bind", "ro"},
			UIDMappings: []spec.IDMapping{{ContainerID: 1, HostID: 2, Size: 3}},
			GIDMappings: []spec.IDMapping{{ContainerID: 4, HostID: 5, Size: 6}}},
	}})
	var destinations []string
	for _, mount := range s.Mounts {
		destinations = append(destinations, mount.Destination)
	}
	equal(t, "destinations", destinations, []string{"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/run",
		"/etc/hosts", "/etc/resolv.conf", "/z", "/a"})
	for _, name := range []string{"hosts", "resolv.conf"} {
		equal(t, name, mountAt(s, path.Join("/etc", name)), specs.Mount{
			Source: "/etc/" + name, Destination: "/etc/" + name, Type: "bind", Options: []string{"rbind", "ro"}})
	}
	equal(t, "the file's own mount", mountAt(s, "/a"), specs.Mount{
		Source: "/a", Destination: "/a", Type: "bind", Options: []string{"bind", "ro"},
		UIDMappings: []specs.LinuxIDMapping{{ContainerID: 1, HostID: 2, Size: 3}},
		GIDMappings: []specs.LinuxIDMapping{{ContainerID: 4, HostID: 5, Size: 6}},
	})
}

// A file mounts what the kernel shows below /proc at its own place, which runc refuses and the container's /proc has.
func TestKernelFilesAreNotMountedTwice(t *testing.T) {
	bind := func(source, destination string, options ...string) spec.Mount {
		return spec.Mount{Source: source, Destination: destination, Type: "bind", Options: append([]string{"bind"}, options...)}
	}
	mounts := []spec.Mount{
		bind("/proc/driver/a/", "/proc/driver/a", "ro"), bind("/proc/driver/b", "/proc/driver/b", "rw"),
		bind("/proc", "/proc"), bind("/proc/1/ns", "/proc/1/ns"), bind("/proc/self/ns", "/proc/self/ns"),
		bind("/proc/net/tcp", "/proc/net/tcp"), bind("/fake/stat", "/proc/stat"), bind("/proc/stat", "/host/stat"),
	}
	defaults := specOf(t, spec.Container{Entrypoint: "x"})
	s := specOf(t, spec.Container{Entrypoint: "x", Mounts: mounts})
	var left []string
	for _, mount := range s.Mounts[len(defaults.Mounts):] {
		left = append(left, mount.Destination)
	}
	equal(t, "mounts that are left to the runtime", left,
		[]string{"/proc", "/proc/1/ns", "/proc/self/ns", "/proc/net/tcp", "/proc/stat", "/host/stat"})
	equal(t, "read-only besides the defaults", s.Linux.ReadonlyPaths, append(defaults.Linux.ReadonlyPaths, "/proc/driver/a"))
	given := spec.Security{ReadonlyPaths: []string{"/given"}}
	s = specOf(t, spec.Container{Entrypoint: "x", Mounts: mounts, Security: given})
	equal(t, "read-only besides what is given", s.Linux.ReadonlyPaths, []string{"/given", "/proc/driver/a"})
	equal(t, "the parsed file", given.ReadonlyPaths, []string{"/given"})
}

// hosts and resolv.conf are left out where the host has none.
func TestMissingNetworkFilesAreNotMounted(t *testing.T) {
	s := specOf(t, spec.Container{Entrypoint: "x"}, func(host *Host) { host.HostsFile, host.ResolvConf = "", "" })
	for _, mount := range s.Mounts {
		if strings.HasPrefix(mount.Destination, "/etc/") {
			t.Errorf("unexpected mount %+v", mount)
		}
	}
}

func TestThisHost(t *testing.T) {
	host, err := ThisHost("/rootfs", "/parent")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "directories", []string{host.RootfsDir, host.CgroupParent, host.Rootfs("x")}, []string{"/rootfs", "/parent", "/rootfs/x"})
	if got := existing("/does/not/exist"); got != "" {
		t.Errorf("a file that does not exist would be mounted: %q", got)
	}
	if got := existing("/proc/self/status"); got == "" {
		t.Error("a file that exists would not be mounted")
	}
}

// mountAt returns the last mount at the destination, which is the one that is seen.
func mountAt(s *specs.Spec, destination string) specs.Mount {
	var found specs.Mount
	for _, mount := range s.Mounts {
		if mount.Destination == destination {
			found = mount
		}
	}
	return found
}
