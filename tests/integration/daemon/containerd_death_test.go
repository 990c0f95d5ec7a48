package daemon_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/server"
)

// absentContainerd is a containerd that a test can take away and bring back.
type absentContainerd struct {
	away func()
	back func()
}

// containerds makes each kind of containerd for a host.
var containerds = map[string]func(t *testing.T) (*host, absentContainerd){
	"embedded": func(t *testing.T) (*host, absentContainerd) {
		h := newHost(t)
		log := server.LogPath(h.run)

		return h, absentContainerd{
			away: func() { // where its log cannot be opened it cannot be started
				must(t, os.Rename(log, log+".away"))
				must(t, os.Mkdir(log, 0o700))
				must(t, unix.Kill(h.part("containerd"), unix.SIGKILL))
			},
			back: func() {
				must(t, os.Remove(log))
				must(t, os.Rename(log+".away", log))
			},
		}
	},
	"external": func(t *testing.T) (*host, absentContainerd) {
		host := newContainerd(t) // before the host, so that it goes after it
		h := newHost(t)
		h.containerd = host.address()

		return h, absentContainerd{away: func() { host.end(unix.SIGKILL) }, back: host.start}
	},
}

// While containerd is away services keep their state, status says that it is away, and what a person wants is done as
// far as it can be. When it is back every exit is known, and all goes on.
func TestContainerdDies(t *testing.T) {
	t.Parallel()

	for kind, prepare := range containerds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()

			h, containerd := prepare(t)
			h.service("steady", "restart: always", "serve")
			h.service("again", "restart: always", "print", "ready", "await", "exit", "5")
			h.service("once", "restart: untilSuccess", "print", "ready", "await", "exit", "0")
			h.service("unwanted", "restart: always", "print", "ready", "serve")
			h.service("wanted", "restart: always", "serve")

			d := h.start()
			pids := map[string]int{}

			for _, id := range []string{"ext-steady", "ext-again", "ext-once", "ext-unwanted", "ext-wanted"} {
				d.started(t, 0, id)
				pids[id] = int(d.state(t, id, "Running").GetPid())
			}

			for _, id := range []string{"ext-again", "ext-once", "ext-unwanted"} {
				h.printed(id, "ready")
			}

			h.cli("service", "wanted", "stop").done(t)

			before := d.now(t)
			containerd.away()
			d.event(t, before, "containerd", "(?s)Waiting for containerd: .*")

			if link := d.status(t, "containerd", "its health", func(link *service) bool { return !link.GetHealth().GetUnknown() && !link.GetHealth().GetHealthy() }); link.GetState() != "Waiting" {
				t.Errorf("the link: %v", link)
			}

			proceed(t, pids["ext-again"])
			proceed(t, pids["ext-once"])

			h.cli("service", "unwanted", "stop").done(t)
			d.state(t, "ext-unwanted", "Finished")
			h.cli("service", "wanted", "start").done(t)
			d.event(t, before, "ext-wanted", `Waiting for service "containerd" to be "up"`)

			if now := d.state(t, "ext-steady", "Running"); int(now.GetPid()) != pids["ext-steady"] {
				t.Errorf("what runs, meanwhile: %v", now)
			}

			containerd.back()

			back := d.event(t, before, "containerd", "Connected to containerd .*")
			d.event(t, before, "ext-again", fmt.Sprintf(`Task ext-again \(PID %d\) exited with code 5: last line "ready"`, pids["ext-again"]))
			d.event(t, before, "ext-once", fmt.Sprintf(`Task ext-once \(PID %d\) exited without error`, pids["ext-once"]))
			d.started(t, back.GetSeq(), "ext-again")
			d.started(t, back.GetSeq(), "ext-wanted")
			d.state(t, "ext-once", "Finished")

			if now := d.state(t, "ext-steady", "Running"); int(now.GetPid()) != pids["ext-steady"] || now.GetAttempt() != 1 {
				t.Errorf("what ran on: %v", now)
			}

			// Its end is awaited as before.
			endBy(t, pids["ext-steady"], unix.SIGTERM)
			d.event(t, back.GetSeq(), "ext-steady", `Task ext-steady .* exited without error`)
			d.neverLost(t)
		})
	}
}

// neverLost demands that no exit is taken for lost, or for the 255 of a connection that broke. How a task ended that was
// stopped while the host's containerd was away nobody waited to know.
func (d *daemon) neverLost(t *testing.T) {
	t.Helper()

	records, _, _ := d.records.all()
	for _, one := range records {
		if one.GetService() != "" && one.GetService() != "ext-unwanted" && (strings.Contains(one.GetMessage(), "code 255") || strings.Contains(one.GetMessage(), "unknown") || strings.Contains(one.GetMessage(), "nobody knows")) {
			t.Errorf("%v", one)
		}
	}
}

// Tasks that end in the very moments in which containerd goes, starts and loads what it finds: every exit is known.
func TestExitsWhileContainerdLoads(t *testing.T) {
	t.Parallel()

	const tasks, reloads = 6, 5

	for kind, prepare := range containerds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()

			seed := uint64(time.Now().UnixNano())
			random := rand.New(rand.NewPCG(seed, 0))
			t.Logf("seed %d", seed)

			h, containerd := prepare(t)
			ids, printed := []string{}, map[string]*background{}

			for task := range tasks {
				name := fmt.Sprintf("racer-%d", task)
				h.service(name, "restart: always\nextactor: {backoff: {initial: 10ms, max: 10ms}}", "print", "ready", "await", "exit", fmt.Sprint(20+task))
				ids = append(ids, "ext-"+name)
			}

			d := h.start()
			pids := map[string]int{}
			after := uint64(0)

			for reload := range reloads {
				for _, id := range ids {
					d.started(t, after, id)
					pids[id] = int(d.state(t, id, "Running").GetPid())

					if printed[id] == nil {
						printed[id] = h.background("logs", "-f", id)
					}

					printed[id].awaitLines(t, reload+1)
				}

				after = d.now(t)
				containerd.kill(random, func(id string) { proceed(t, pids[id]) }, ids)

				for task, id := range ids {
					d.event(t, after, id, fmt.Sprintf(`Task %s \(PID %d\) exited with code %d.*`, id, pids[id], 20+task))
				}
			}

			for _, id := range ids { // containerd is back
				d.started(t, after, id)
			}

			d.neverLost(t)
			t.Logf("%d exits", tasks*reloads)
		})
	}
}

// kill takes containerd away and brings it back while each of the tasks ends at a random moment.
func (c absentContainerd) kill(random *rand.Rand, end func(id string), ids []string) {
	moments := []time.Duration{}
	for range ids {
		moments = append(moments, time.Duration(random.Int64N(int64(250*time.Millisecond))))
	}

	done := make(chan struct{})

	for index, id := range ids {
		time.AfterFunc(moments[index], func() {
			end(id)
			done <- struct{}{}
		})
	}

	c.away()
	c.back()

	for range ids {
		<-done
	}
}

// awaitLines waits until so many lines were printed.
func (b *background) awaitLines(t *testing.T, count int) {
	t.Helper()

	b.lines.await(t, fmt.Sprintf("%d lines", count), func(string) bool {
		lines, _, _ := b.lines.all()

		return len(lines) >= count
	})
}
