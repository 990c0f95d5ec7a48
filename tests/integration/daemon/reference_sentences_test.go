package daemon_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Sentences of the reference that no other test holds on real containers.
func TestReference(t *testing.T) {
	t.Parallel()

	for sentence, hold := range map[string]func(*testing.T, *host){
		"the entrypoint, and files that it is given, lie in the container's root":               entrypointInRoot,
		"the service waits for its environmentFile, and the lists override it":                  environmentFileAwaited,
		"a mount source that does not exist is created":                                         mountSourceCreated,
		"mounts of the container reach the host with rootfsPropagation shared, and not without": mountsPropagated,
		"a path is waited for": pathAwaited,
		"a service depends on another that is stopped and started":                                   serviceAwaited,
		"a service is addressed by ext- and its name, and its root file system is found by its name": namedAsInReference,
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			hold(t, newHost(t))
		})
	}
}

// As in the example of the reference, where config.ini lies beside the program.
func entrypointInRoot(t *testing.T, h *host) {
	h.service("relative", "restart: always", "file", "config.ini", "serve")
	must(t, os.WriteFile(filepath.Join(h.rootfs, "relative", "config.ini"), []byte("key=value"), 0o644))
	h.start()
	h.printed("ext-relative", "key=value")
}

func environmentFileAwaited(t *testing.T, h *host) {
	file := filepath.Join(h.dir, "environment")
	h.service("dotenv", "")
	h.write("dotenv.yaml", fmt.Sprintf("name: dotenv\nrestart: always\ncontainer:\n  entrypoint: ./program\n"+
		"  args: [environment, A, environment, B, environment, C, serve]\n  environmentFile: %s\n"+
		"  environment: [B=of the list, C=of the list]\n", file))

	document := "apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: dotenv\nenvironment: [C=of the document]\n"
	must(t, os.WriteFile(filepath.Join(h.config, "dotenv.yaml"), []byte(document), 0o600))

	d := h.start()
	d.event(t, 0, "ext-dotenv", fmt.Sprintf("Waiting for file %q to exist", file))
	d.state(t, "ext-dotenv", "Waiting")

	// Renamed into place: one that is being written would be read as it is.
	must(t, os.WriteFile(file+".new", []byte("# a comment\nA='of the file, $HOME'\nB=of the file\nC=of the file\n"), 0o600))
	must(t, os.Rename(file+".new", file))
	h.printed("ext-dotenv", "of the document")
	equalText(t, h.cli("logs", "dotenv").done(t), "of the file, $HOME\nof the list\nof the document\n")
}

func mountSourceCreated(t *testing.T, h *host) {
	source := filepath.Join(h.dir, "var", "log", "audit")
	h.service("auditor", "")
	h.file("auditor", container{
		Entrypoint: "./program", Args: []string{"print", "ready", "serve"}, Mounts: []mount{
			{Source: source, Destination: "/var/log/audit", Type: "bind", Options: []string{"rshared", "bind", "ro"}},
		},
	}, "restart: always")

	d := h.start()
	h.printed("ext-auditor", "ready")

	information, err := os.Stat(source)
	must(t, err)
	same(t, "its mode", information.Mode(), fs.ModeDir|0o700)
	same(t, "/var/log/audit in the container", mountsOf(t, int(d.state(t, "ext-auditor", "Running").GetPid()))("/var/log/audit"), "ro")
}

func mountsPropagated(t *testing.T, h *host) {
	for name, rest := range map[string]string{"kept": "", "spread": "  security: {rootfsPropagation: shared}\n"} {
		source := filepath.Join(h.dir, name)
		mountTmpfs(t, source, "", 0)
		must(t, unix.Mount("", source, "", unix.MS_SHARED, ""))
		t.Cleanup(func() { _ = unix.Unmount(filepath.Join(source, "inner"), unix.MNT_DETACH) })

		h.service(name, "")
		h.write(name+".yaml", fmt.Sprintf("name: %s\nrestart: never\ncontainer:\n  entrypoint: ./program\n"+
			"  args: [mount, /data/inner, print, mounted, serve]\n  mounts:\n"+
			"    - {source: %s, destination: /data, type: bind, options: [rbind, rw%s]}\n%s",
			name, source, map[string]string{"spread": ", rshared"}[name], rest))
		must(t, os.Mkdir(filepath.Join(source, "inner"), 0o755))
	}

	h.start()

	for name, want := range map[string]bool{"kept": false, "spread": true} {
		h.printed("ext-"+name, "mounted")

		mounted, err := mountinfo.Mounted(filepath.Join(h.dir, name, "inner"))
		must(t, err)
		same(t, "the host sees the mount of "+name, mounted, want)
	}
}

func pathAwaited(t *testing.T, h *host) {
	gate := filepath.Join(h.dir, "run", "gate")
	h.service("patient", "restart: always\ndepends: [{path: "+gate+"}]", "print", "through", "serve")

	d := h.start()
	d.event(t, 0, "ext-patient", fmt.Sprintf("Waiting for file %q to exist", gate))
	d.state(t, "ext-patient", "Waiting")
	must(t, os.MkdirAll(filepath.Dir(gate), 0o755))
	must(t, os.WriteFile(gate, nil, 0o644))
	h.printed("ext-patient", "through")
}

func serviceAwaited(t *testing.T, h *host) {
	h.service("first", "restart: always", "serve")
	h.service("second", "restart: always\ndepends: [{service: ext-first}]", "serve")

	d := h.start()
	d.started(t, 0, "ext-second")
	h.cli("service", "first", "stop").done(t)

	before := d.now(t)
	h.cli("service", "second", "restart").done(t)
	d.event(t, before, "ext-second", `Waiting for service "ext-first" to be "up"`)
	h.cli("service", "first", "start").done(t)
	d.started(t, before, "ext-second")
}

func namedAsInReference(t *testing.T, h *host) {
	const name = "a_service-of-2"

	h.service(name, "restart: always", "print", "here", "serve")
	must(t, os.Rename(filepath.Join(h.services, name+".yaml"), filepath.Join(h.services, "another-name.yaml")))
	h.start()
	h.printed("ext-"+name, "here")
}

// The daemon looks where the reference says, unless it is told otherwise.
func TestReferenceDirectories(t *testing.T) {
	t.Parallel()

	said := (&host{t: t}).cli("daemon", "--help").done(t)

	for flag, directory := range map[string]string{"--services": "/usr/local/etc/containers", "--rootfs": "/usr/local/lib/containers"} {
		// The description goes on up to the next flag.
		wanted := fmt.Sprintf(`(?m)^ +%s string +(.+\n {20,})*.*\(default\s+"%s"\)$`, flag, directory)
		if !regexp.MustCompile(wanted).MatchString(said) {
			t.Errorf("%s is not %s by default:\n%s", flag, directory, said)
		}
	}
}

// The service waits until every network check that it names succeeds, and for no others.
func TestReferenceNetwork(t *testing.T) {
	t.Parallel()

	netns := newNetns(t)
	h := newHost(t)
	h.netns = netns
	h.service("addressed", "restart: always\ndepends: [{network: [addresses]}]", "serve")
	h.service("routed", "restart: always\ndepends: [{network: [addresses, connectivity, hostname, etcfiles]}]", "serve")

	d := h.start()

	for _, id := range []string{"ext-addressed", "ext-routed"} {
		d.event(t, 0, id, "Waiting for network")
	}

	ip(t, "-n", netns, "address", "add", "192.0.2.1/24", "dev", "port0")
	d.started(t, 0, "ext-addressed")

	if routed := d.state(t, "ext-routed", "Waiting"); lastMessage(routed) != "Waiting for network" {
		t.Errorf("without a default route: %v", routed)
	}

	ip(t, "-n", netns, "route", "add", "default", "via", "192.0.2.2")
	d.started(t, 0, "ext-routed")
}
