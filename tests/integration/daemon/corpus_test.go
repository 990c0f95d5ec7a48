package daemon_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/spec"
)

const corpus = root + "/spec/testdata/corpus"

// The published service files are valid as they are, and each says what it waits for.
func TestCorpus(t *testing.T) {
	t.Parallel()

	netns := newNetns(t)
	h := newHost(t)
	h.netns = netns

	files, err := filepath.Glob(corpus + "/*.yaml")
	must(t, err)

	valid := ""

	for _, file := range files {
		content, err := os.ReadFile(file)
		must(t, err)
		h.write(filepath.Base(file), string(content))

		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		valid += filepath.Join(h.services, filepath.Base(file)) + ": ext-" + name + " is valid\n"
	}

	if said := h.cli("validate", "--strict", h.services).done(t); said != valid {
		t.Errorf("validate:\n%s", said)
	}

	d := h.start()

	// No CRI and no udev is needed: where there is none, they are assumed.
	waiting := map[string]string{
		"ext-hello-world": "network",
		"ext-nut-client":  `network, file "/system/run/machined/machine.sock" to exist, extension service config`,
		"ext-rpc-statd":   `service "ext-rpcbind" to be "up", network`,
		"ext-rpcbind":     `network`,
		"ext-tailscale":   `network, extension service config`,
		"ext-zfs-service": `file "/dev/zfs" to exist`,
	}
	if len(waiting) != len(files) {
		t.Errorf("the corpus has %d files", len(files))
	}

	for id, text := range waiting {
		d.status(t, id, text, func(s *service) bool {
			return s.GetState() == "Waiting" && lastMessage(s) == "Waiting for "+text
		})
	}
}

// The OCI runtime spec of each published file has what Talos gives such a container.
func TestCorpusSpecs(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob(corpus + "/*.yaml")
	must(t, err)

	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()

			h := &host{t: t}
			service, problems := spec.LoadFile(file)

			if service == nil {
				t.Fatal(problems)
			}

			var got specs.Spec

			must(t, json.Unmarshal([]byte(h.cli("oci", file, "--rootfs", "/roots").done(t)), &got))
			checkProcess(t, service, got.Process)
			checkIsolation(t, service, &got)
			checkMounts(t, service, got.Mounts)
		})
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func checkProcess(t *testing.T, service *spec.Service, process *specs.Process) {
	t.Helper()

	same(t, "arguments", process.Args, append([]string{service.Container.Entrypoint}, service.Container.Args...))
	same(t, "directory", process.Cwd, "/")
	same(t, "no new privileges", process.NoNewPrivileges, true)
	same(t, "resource limits", len(process.Rlimits), 0)
	same(t, "label and profile", process.SelinuxLabel+process.ApparmorProfile, "")

	for _, entry := range service.Container.Environment {
		if !slices.Contains(process.Env, entry) {
			t.Errorf("%s is not in the environment %v", entry, process.Env)
		}
	}

	capabilities := process.Capabilities
	same(t, "effective capabilities", capabilities.Effective, capabilities.Bounding)
	same(t, "permitted capabilities", capabilities.Permitted, capabilities.Bounding)
	same(t, "inheritable capabilities", capabilities.Inheritable, capabilities.Bounding)

	if len(capabilities.Bounding) == 0 || slices.Contains(capabilities.Bounding, "CAP_SYS_BOOT") ||
		slices.Contains(capabilities.Bounding, "CAP_SYS_MODULE") {
		t.Errorf("capabilities: %v", capabilities.Bounding)
	}

	// A host that does not grant this capability refuses a container with such a score.
	if slices.Contains(capabilities.Bounding, "CAP_SYS_RESOURCE") {
		score := -600
		same(t, "OOM score", process.OOMScoreAdj, &score)
	}
}

func checkIsolation(t *testing.T, service *spec.Service, got *specs.Spec) {
	t.Helper()

	var namespaces []string
	for _, namespace := range got.Linux.Namespaces {
		namespaces = append(namespaces, string(namespace.Type))
	}

	slices.Sort(namespaces)

	security := service.Container.Security
	same(t, "namespaces", namespaces, []string{"mount", "pid", "uts"})
	same(t, "root file system read-only", got.Root.Readonly, !security.WriteableRootfs)
	same(t, "propagation", got.Linux.RootfsPropagation, security.RootfsPropagation)
	same(t, "devices", got.Linux.Resources.Devices, []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}})
	same(t, "cgroup", got.Linux.CgroupsPath, "/extactor/"+service.ID())
	same(t, "seccomp", got.Linux.Seccomp != nil, true)

	for what, paths := range map[string][2][]string{
		"masked paths": {security.MaskedPaths, got.Linux.MaskedPaths}, "read-only paths": {security.ReadonlyPaths, got.Linux.ReadonlyPaths},
	} {
		if wanted := paths[0]; wanted == nil {
			same(t, what+" by default", len(paths[1]) > 0, true)
		} else {
			same(t, what, append([]string{}, paths[1]...), wanted)
		}
	}
}

func checkMounts(t *testing.T, service *spec.Service, mounts []specs.Mount) {
	t.Helper()

	own := service.Container.Mounts

	for index, mount := range mounts[len(mounts)-len(own):] {
		same(t, "own mount", mount, specs.Mount{
			Source: own[index].Source, Destination: own[index].Destination, Type: own[index].Type, Options: own[index].Options,
		})
	}

	for _, destination := range []string{"/etc/hosts", "/etc/resolv.conf", "/sys"} {
		index := slices.IndexFunc(mounts, func(mount specs.Mount) bool { return mount.Destination == destination })
		if index < 0 {
			t.Fatalf("nothing is mounted at %s", destination)
		}

		readOnly := destination != "/sys" || !service.Container.Security.WriteableSysfs
		same(t, destination+" read-only", slices.Contains(mounts[index].Options, "ro"), readOnly)
	}
}
