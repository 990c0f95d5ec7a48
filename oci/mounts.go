package oci

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/spec"
)

// networkFiles mounts the host's hosts and resolv.conf, which belong to the network that the container shares.
func networkFiles(host Host) []specs.Mount {
	var mounts []specs.Mount
	add := func(source, destination string) {
		if source != "" {
			mounts = append(mounts, specs.Mount{
				Destination: destination, Type: "bind", Source: source, Options: []string{"rbind", "ro"},
			})
		}
	}
	add(host.HostsFile, "/etc/hosts")
	add(host.ResolvConf, "/etc/resolv.conf")
	return mounts
}

// fileMounts are the mounts of the service file, unchanged and in their order, without those of the kernel's own files.
func fileMounts(mounts []spec.Mount) []specs.Mount {
	converted := make([]specs.Mount, 0, len(mounts))
	for _, mount := range mounts {
		if isKernelFile(mount) {
			continue
		}
		converted = append(converted, specs.Mount{
			Destination: mount.Destination,
			Type:        mount.Type,
			Source:      mount.Source,
			Options:     slices.Clone(mount.Options),
			UIDMappings: idMappings(mount.UIDMappings),
			GIDMappings: idMappings(mount.GIDMappings),
		})
	}
	return converted
}

// isKernelFile reports whether a mount shows a file of the kernel at its own place below /proc, such as
// /proc/driver/nvidia. The container's /proc shows the same file there, and runc refuses every mount inside /proc.
// What belongs to a process is another file in the container: such a mount is left to the runtime.
func isKernelFile(mount spec.Mount) bool {
	source := path.Clean(mount.Source)
	below, inProc := strings.CutPrefix(source, "/proc/")
	if !inProc || source != path.Clean(mount.Destination) || !isBind(mount) {
		return false
	}
	first, _, _ := strings.Cut(below, "/")
	_, err := strconv.Atoi(first)
	return err != nil && !slices.Contains([]string{"self", "thread-self", "net", "mounts"}, first)
}

// readonlyKernelFiles are the paths of those mounts of the kernel's own files that are to be read-only.
func readonlyKernelFiles(mounts []spec.Mount) []string {
	var paths []string
	for _, mount := range mounts {
		if isKernelFile(mount) && slices.Contains(mount.Options, "ro") {
			paths = append(paths, path.Clean(mount.Destination))
		}
	}
	return paths
}

func idMappings(mappings []spec.IDMapping) []specs.LinuxIDMapping {
	var converted []specs.LinuxIDMapping
	for _, mapping := range mappings {
		converted = append(converted, specs.LinuxIDMapping{
			ContainerID: mapping.ContainerID, HostID: mapping.HostID, Size: mapping.Size,
		})
	}
	return converted
}

// makeSysfsWriteable turns "ro" into "rw" on the default /sys, which comes before the file's own mounts: those keep the
// options that they have there.
func makeSysfsWriteable(mounts []specs.Mount) {
	for _, mount := range mounts {
		if mount.Destination != "/sys" {
			continue
		}
		if readonly := slices.Index(mount.Options, "ro"); readonly >= 0 {
			mount.Options[readonly] = "rw"
		}
		return
	}
}

// isBind reports whether the mount shows a part of the host's file system; the type field is only a hint then.
func isBind(mount spec.Mount) bool {
	return mount.Type == "bind" || slices.Contains(mount.Options, "bind") || slices.Contains(mount.Options, "rbind")
}
