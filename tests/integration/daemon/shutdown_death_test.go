package daemon_test

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/server"
)

// A daemon that is told to stop while its containerd is dead, or about to be started again, or cannot be started at all,
// leaves nothing behind: no process, mount, cgroup or file. That is what every test of a daemon demands at its end.
func TestShutdownWithoutContainerd(t *testing.T) {
	t.Parallel()

	for name, take := range map[string]func(t *testing.T, h *host, d *daemon){
		"just killed": func(t *testing.T, h *host, _ *daemon) {
			must(t, unix.Kill(h.part("containerd"), unix.SIGKILL))
		},
		"killed again and again": func(t *testing.T, h *host, d *daemon) {
			connected := d.event(t, 0, "containerd", "Connected to containerd .*")

			for range 6 { // each time the pause before the next start is twice as long
				must(t, unix.Kill(h.part("containerd"), unix.SIGKILL))
				connected = d.event(t, connected.GetSeq(), "containerd", "Connected to containerd .*")
			}

			must(t, unix.Kill(h.part("containerd"), unix.SIGKILL))
		},
		"cannot be started": func(t *testing.T, h *host, _ *daemon) {
			log := server.LogPath(h.run) // without which there is no start
			must(t, os.Rename(log, log+".away"))
			must(t, os.Mkdir(log, 0o700))
			must(t, unix.Kill(h.part("containerd"), unix.SIGKILL))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			h := newHost(t)
			h.service("polite", "restart: always", "print", "ready", "serve")
			h.service("rude", "restart: always\nextactor: {stop: {timeout: 100ms}}", "print", "ready", "stubborn")
			h.service("crashing", "restart: always\nextactor: {backoff: {initial: 500ms, max: 500ms}}", "exit", "1")

			for number := range 3 {
				h.service(fmt.Sprintf("next-%d", number), "restart: always\ndepends: [{service: ext-polite}]", "serve")
			}

			d := h.start()
			d.started(t, 0, "ext-next-0")
			h.printed("ext-polite", "ready")
			h.printed("ext-rude", "ready")

			take(t, h, d)

			if status := h.end(unix.SIGTERM); status.ExitStatus() != 0 {
				t.Errorf("the daemon ended with %v, and said:\n%s", status, h.last.said())
			}

			if left := h.leftovers(); len(left) > 0 {
				t.Errorf("left behind:\n%s", list(left))
			}

			// The next daemon finds nothing that would trouble it.
			if away := server.LogPath(h.run) + ".away"; os.Remove(server.LogPath(h.run)) == nil {
				_ = os.Rename(away, server.LogPath(h.run))
			}

			d = h.start()
			d.state(t, "ext-next-0", "Running")
			d.state(t, "ext-rude", "Running")
		})
	}
}
