package daemon_test

import (
	"path/filepath"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Where mounts of the host are shared, as systemd makes them, a container that shares its mounts too, and mounts the
// directory in which containers are made, as published files do with /run and /var, leaves nothing behind.
func TestReferenceSharedHost(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	shared := filepath.Join(h.dir, "shared")
	mountTmpfs(t, shared, "", 0)
	must(t, unix.Mount("", shared, "", unix.MS_SHARED, ""))

	h.run = filepath.Join(shared, "run")

	below := func() (points []string) {
		mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(shared))
		must(t, err)

		for _, mount := range mounts {
			points = append(points, mount.Mountpoint)
		}

		return points
	}

	h.service("sharing", "")
	h.write("sharing.yaml", "name: sharing\nrestart: always\ncontainer:\n  entrypoint: ./program\n  args: [print, ready, serve]\n"+
		"  security: {rootfsPropagation: shared}\n  mounts:\n"+
		"    - {source: "+shared+", destination: /run, type: bind, options: [rshared, rbind, rw]}\n"+
		"    - {source: "+shared+", destination: /var/run, type: bind, options: [rshared, rbind, rw]}\n")

	d := h.start()
	h.printed("ext-sharing", "ready")
	idle := len(below())

	for range 3 {
		before := d.now(t)
		h.cli("service", "sharing", "restart").done(t)
		d.started(t, before, "ext-sharing")
	}

	same(t, "mounts after three restarts", len(below()), idle)
	h.end(unix.SIGTERM)
	same(t, "mounts after the end of the daemon", below(), []string{shared})
}
