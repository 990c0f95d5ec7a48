package daemon_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// shapes has service files of our own in all the forms that published ones have, beyond those of the corpus.
const shapes = "testdata/shapes"

// shape is what a container made from one of these files shows.
type shape struct {
	file     string            // without ".yaml", below shapes
	warnings int               // of its file, of which there are no other problems
	prints   string            // all that it prints
	mounts   map[string]string // "ro" or "rw" of what is mounted in the end, by destination; "": nothing is
}

// shapeRows are named for what published files do.
var shapeRows = map[string]shape{
	"comments everywhere, a blank first line, no line break at the end, arguments of every spelling, empty lists": {
		file: "comments", prints: "127.0.0.1\n-o config=/etc/pool.ini\neth*,enp*\n0\n80\n",
	},
	"a child is mounted before its parent, a file on a file in a mounted directory, paths end in slashes": {
		file: "covered-children", prints: "inner\ninner\n",
		mounts: map[string]string{"/data": "rw", "/settings": "rw", "/settings/one": "ro"},
	},
	"two mounts at one destination, of which the later counts": {
		file: "twice", prints: "inner\n", mounts: map[string]string{"/same": "ro", "/elsewhere": "rw"},
	},
	"the program lies in another service's root file system, a source is made at the start": {
		file: "borrowed-root", prints: "borrowed\n", mounts: map[string]string{"/lent": "ro", "/var/lib/made": "rw"},
	},
	"the host's /dev, /sys and /proc cover the container's own": {
		file: "kernel-directories", prints: "whole\n",
		mounts: map[string]string{"/dev": "rw", "/sys": "rw", "/proc": "rw", "/host/dev": "ro"},
	},
	"the host's libraries cover those of the root file system": {
		file: "host-libraries", prints: "linked\n", mounts: map[string]string{"/lib": "ro", "/usr/lib": "ro", "/host/etc": "ro"},
	},
	"a file of the kernel is mounted at its own place": {
		file: "kernel-file", prints: "Linux\n\n", mounts: map[string]string{"/proc/sys/kernel/ostype": "ro", "/proc/sys": ""},
	},
	"keys at the wrong place and keys that are unknown": {
		file: "other-keys", warnings: 4, prints: "nothing\n", mounts: map[string]string{"/not/mounted": ""},
	},
	"a file name with a space, a service that runs once": {file: "one shot"},
	"a service starts while the one that it needs runs, and stays when that one is done": {
		file: "after-one-shot", prints: "after\n",
	},
	"configuration lies in a directory that the root file system does not have": {
		file: "configured", prints: "of the document\nhere\n",
		mounts: map[string]string{"/var/run/pool": "rw", "/etc/pool/pool.conf": "ro"},
	},
}

// Service files of every shape that the public catalogue has run as they are.
func TestPublishedShapes(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.writeShapes()

	d := h.start()

	h.printed("ext-one-shot", "ready") // and it listens to the signal
	proceed(t, int(d.state(t, "ext-one-shot", "Running").GetPid()))
	d.event(t, 0, "ext-one-shot", "Service finished successfully")

	for name, row := range shapeRows {
		t.Run(name, func(t *testing.T) {
			id := "ext-" + strings.ReplaceAll(row.file, " ", "-")

			validated := h.cli("validate", filepath.Join(h.services, row.file+".yaml"))
			same(t, "warnings", strings.Count(validated.stderr+validated.stdout, ": warning: "), row.warnings)
			same(t, "exit code of validate", validated.code, 0)

			if row.prints == "" {
				d.state(t, id, "Finished")

				return
			}

			pid := int(d.state(t, id, "Running").GetPid())
			lines := strings.Split(strings.TrimSuffix(row.prints, "\n"), "\n")
			h.printed(id, lines[len(lines)-1])
			equalText(t, h.cli("logs", id).done(t), row.prints)

			options := mountsOf(t, pid)
			for destination, want := range row.mounts {
				same(t, destination, options(destination), want)
			}
		})
	}
}

// writeShapes puts the files where the daemon reads them, and what they need on the host.
func (h *host) writeShapes() {
	h.t.Helper()

	inner := filepath.Join(h.dir, "data", "inner")
	must(h.t, os.MkdirAll(inner, 0o755))
	must(h.t, os.WriteFile(filepath.Join(inner, "file"), []byte("inner"), 0o644))
	must(h.t, os.Mkdir(filepath.Join(h.dir, "settings"), 0o755))
	must(h.t, os.WriteFile(filepath.Join(h.dir, "settings", "one"), []byte("one"), 0o644))

	files, err := filepath.Glob(shapes + "/*.yaml")
	must(h.t, err)
	same(h.t, "rows for the files in "+shapes, len(shapeRows), len(files))

	places := strings.NewReplacer("@DIR@", h.dir, "@ROOTFS@", h.rootfs)

	for _, file := range files {
		content, err := os.ReadFile(file)
		must(h.t, err)

		base := filepath.Base(file)
		h.service(strings.ReplaceAll(strings.TrimSuffix(base, ".yaml"), " ", "-"), "") // for its root file system
		must(h.t, os.Remove(filepath.Join(h.services, strings.ReplaceAll(base, " ", "-"))))
		h.write(base, places.Replace(string(content)))
	}

	document := "apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: configured\nenvironment: [FROM_DOCUMENT=here]\n" +
		"configFiles: [{content: of the document, mountPath: /etc/pool/pool.conf}]\n"
	must(h.t, os.WriteFile(filepath.Join(h.config, "configured.yaml"), []byte(document), 0o600))
}

// mountsOf returns a function that says how the last mount at a path of a process's namespace may be used.
func mountsOf(t testing.TB, pid int) func(destination string) string {
	t.Helper()

	process, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "mountinfo"))
	must(t, err)

	return func(destination string) string {
		var found string

		for line := range strings.Lines(string(process)) {
			if fields := strings.Fields(line); fields[4] == destination {
				found = fields[5][:2]
			}
		}

		return found
	}
}
