package oci

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/pkg/cap"
)

// Host says what of the machine enters the spec. It is an argument rather than looked up, so that a spec can be made,
// printed and compared on a machine other than the one that runs it.
type Host struct {
	RootfsDir    string   // directory of root file systems: <RootfsDir>/<name>
	Capabilities []string // what the daemon may grant: CAP_..., see HostCapabilities
	CgroupParent string   // "/extactor": each service's cgroup lies below it
	HostsFile    string   // mounted at /etc/hosts; empty: not mounted
	ResolvConf   string   // mounted at /etc/resolv.conf; empty: not mounted
	ConfigDir    string   // where the files of the service's configuration document lie, see ConfigDir
}

// ThisHost describes the machine as it is now. It reads three small files: call it at each start, so that a resolv.conf
// that appeared meanwhile is seen.
func ThisHost(rootfsDir, cgroupParent string) (Host, error) {
	capabilities, err := HostCapabilities()
	if err != nil {
		return Host{}, err
	}
	return Host{
		RootfsDir:    rootfsDir,
		Capabilities: capabilities,
		CgroupParent: cgroupParent,
		HostsFile:    existing("/etc/hosts"),
		ResolvConf:   existing("/etc/resolv.conf"),
	}, nil
}

// Rootfs is the directory of the service's own files, which is never written to.
func (h Host) Rootfs(name string) string { return filepath.Join(h.RootfsDir, name) }

// HostCapabilities returns the capabilities in this process's bounding set: all that a process which it starts could
// ever have. Capabilities that are newer than this program are left out.
func HostCapabilities() ([]string, error) {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return nil, fmt.Errorf("cannot read this process's capabilities: %w", err)
	}
	defer status.Close()
	sets, err := cap.ParseProcPIDStatus(status)
	if err != nil {
		return nil, fmt.Errorf("cannot read this process's capabilities: %w", err)
	}
	names, _ := cap.FromBitmap(sets[cap.Bounding])
	return names, nil
}

// existing returns the path if it leads to something that can be mounted, else nothing. A dangling symlink, which
// /etc/resolv.conf often is early in boot, does not.
func existing(path string) string {
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
