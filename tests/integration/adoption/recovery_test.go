package adoption_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
)

// row is one row of the recovery table: what is there when a daemon starts, and what comes of it. In set a first daemon
// lives and dies; then what the next one records as the row that it took is compared with the label.
type row struct {
	label  string
	detail string // tells rows of the same label apart
	same   bool   // the same daemon takes the row, after its connection was lost
	set    func(s *site)
	then   func(s *site, d *daemon) // what must come of it
}

var rows = []row{
	{label: "running, same hash: adopt", set: (*site).runAndCrash, then: adopted},
	{label: "running, same hash: adopt", detail: "started, only not recorded", set: func(s *site) {
		s.began++
		s.start(follow(rule{at: "before TaskStarted", answer: die})).awaitDeath()
	}, then: adopted},
	{label: "running, same hash: adopt", detail: "containerd did not answer at first", set: (*site).runAndCrash, then: adopted},
	{label: "running, other hash: restart with the new file", set: func(s *site) {
		s.runAndCrash()
		s.wish.argument = "other"
	}, then: restarted},
	{label: "exited: record the exit", set: func(s *site) {
		s.runAndCrash()
		s.endTask(unix.SIGUSR1)
	}, then: exitedWith(10)},
	{label: "exited: record the exit", detail: "containerd has forgotten the task", set: func(s *site) {
		s.runAndCrash()
		s.endTask(unix.SIGUSR1)
		s.deleteTaskByHand()
	}, then: exitedWith(10)},
	{label: "exited: record the exit", detail: "started and ended, nothing recorded", set: func(s *site) {
		s.began++
		s.start(follow(rule{at: "before TaskStarted", answer: die})).awaitDeath()
		s.awaitLine("began", s.began)
		s.endTask(unix.SIGUSR1)
	}, then: exitedWith(10)},
	{label: "running, nothing there: lost", set: func(s *site) {
		s.runAndCrash()
		s.deleteByHand()
	}, then: lost},
	{label: "exited: record the exit", detail: "the shim was killed, nobody knows how it ended", set: func(s *site) {
		s.runAndCrash()
		s.killShim()
		s.unknown = true
	}, then: restarted},
	{label: "running, created: lost", set: func(s *site) {
		s.runAndCrash()
		s.deleteTaskByHand()
		s.createTaskByHand()
	}, then: lost},
	{label: "stale attempt: delete", set: func(s *site) {
		s.began++
		d := s.start(follow(rule{at: "before runtime.Delete", answer: fail}, rule{at: "before runtime.Prepare", nth: 1, answer: die}))
		d.awaitRunning()
		s.endTask(unix.SIGUSR1)
		d.awaitDeath()
	}, then: restarted},
	{label: "start in flight, stale attempt: delete", same: true, set: func(s *site) {
		s.began++
		d := s.start(follow(rule{at: "before runtime.Delete", answer: fail}, rule{at: "before runtime.Prepare", nth: 1, answer: hold}))
		d.awaitRunning()
		s.endTask(unix.SIGUSR1)
		d.await("a start that hangs", func() bool { return d.under("runtime.Prepare") == 1 })
		d.reconnect()
	}, then: func(s *site, d *daemon) {
		close(d.released)
		restarted(s, d)
	}},
	{label: "preparing, nothing there: retry", set: func(s *site) {
		s.start(follow(rule{at: "before runtime.Prepare", answer: die})).awaitDeath()
	}, then: restarted},
	{label: "preparing, created: delete and retry", set: func(s *site) {
		s.start(follow(rule{at: "before tasks.Start", answer: die})).awaitDeath()
	}, then: restarted},
	{label: "preparing, nothing there: retry", detail: "a container without a task", set: func(s *site) {
		s.start(follow(rule{at: "before tasks.Create", answer: die})).awaitDeath()
	}, then: restarted},
	{label: "backoff, nothing there: re-arm the remaining time", set: func(s *site) {
		s.began++
		s.wish.backoff = "2s"
		d := s.start(follow(rule{at: "after runtime.Delete", answer: die}))
		d.awaitRunning()
		s.endTask(unix.SIGUSR1)
		d.awaitDeath()
	}, then: exitedWith(10)},
	{label: "waiting, stale attempt: delete", set: func(s *site) {
		s.began++
		s.wish.backoff = "2s"
		d := s.start(follow(rule{at: "before runtime.Delete", answer: die}))
		d.awaitRunning()
		s.endTask(unix.SIGUSR1)
		d.awaitDeath()
	}, then: exitedWith(10)},
	{label: "waiting, the journal lost the start: adopt", set: func(s *site) {
		s.runAndCrash()
		s.loseJournal()
	}, then: adopted},
	{label: "waiting, the journal lost the start: record the exit", set: func(s *site) {
		s.runAndCrash()
		s.loseJournal()
		s.endTask(unix.SIGUSR1)
	}, then: exitedWith(10)},
	{label: "waiting, other file: delete", set: func(s *site) {
		s.runAndCrash()
		s.loseJournal()
		s.wish.argument = "other"
	}, then: restarted},
	{label: "waiting, created: delete", set: func(s *site) {
		s.start(follow(rule{at: "before tasks.Start", answer: die})).awaitDeath()
		s.loseJournal()
	}, then: restarted},
	{label: "another boot: delete", set: func(s *site) {
		s.runAndCrash()
		s.boot = "boot-2"
	}, then: restarted},
	{label: "stopping, running: go on stopping", set: func(s *site) {
		s.began++
		d := s.start(follow(rule{at: "after StopBegan", answer: die}))
		d.awaitRunning()
		d.command(&events.StopService{})
		d.awaitDeath()
	}, then: finished},
	{label: "exited: record the exit", detail: "while it was being stopped", set: func(s *site) {
		s.began++
		d := s.start(follow(rule{at: "before TaskExited", answer: die}))
		d.awaitRunning()
		d.command(&events.StopService{})
		d.awaitDeath()
	}, then: finished},
	{label: "stopping, nothing there: finish", set: func(s *site) {
		s.began++
		d := s.start(follow(rule{at: "after StopBegan", answer: die}))
		d.awaitRunning()
		d.command(&events.StopService{})
		d.awaitDeath()
		s.deleteByHand()
	}, then: finished},
	{label: "stopping before the start, nothing there: finish", set: func(s *site) {
		d := s.start(follow(rule{at: "before runtime.Prepare", answer: hold}, rule{at: "after StopBegan", answer: die}))
		d.await("a start that hangs", func() bool { return d.under("runtime.Prepare") == 1 })
		d.command(&events.StopService{})
		d.awaitDeath()
	}, then: finished},
	{label: "stopping, created: delete and finish", set: func(s *site) {
		d := s.start(follow(rule{at: "before tasks.Start", answer: hold}, rule{at: "after StopBegan", answer: die}))
		d.await("a start that hangs", func() bool { return d.under("tasks.Start") == 1 })
		d.command(&events.StopService{})
		d.awaitDeath()
	}, then: finished},
	{label: "ended, orphan: delete", set: func(s *site) {
		d := s.run()
		d.command(&events.StopService{})
		d.awaitEnded(events.StateFinished)
		s.startAndForget()
	}, then: finished},
	{label: "ended, orphan: delete", detail: "it has ended, and is not deleted yet", set: func(s *site) {
		s.began++
		d := s.start(follow(rule{at: "before runtime.Delete", answer: die}))
		d.awaitRunning()
		d.command(&events.StopService{})
		d.awaitDeath()
	}, then: finished},
	{label: "ended, a later attempt runs: adopt and record the gap", set: func(s *site) {
		s.wish.restart = "never"
		d := s.run()
		s.endTask(unix.SIGUSR1)
		d.awaitEnded(events.StateFailed)
		s.startAndForget()
	}, then: adopted},
}

// Each row of the recovery table, on real containers.
func TestRecoveryTable(t *testing.T) {
	t.Parallel()

	w := newWorld(t)

	t.Run("rows", func(t *testing.T) {
		for number, row := range rows {
			name := row.label
			if row.detail != "" {
				name += ": " + row.detail
			}

			t.Run(name, func(t *testing.T) {
				t.Parallel()

				s := newSite(t, w, "row-"+strconv.Itoa(number))
				row.set(s)

				var hook func(point) verdict
				if strings.Contains(row.detail, "did not answer") {
					hook = follow(rule{at: "before runtime.Observe", answer: fail})
				}

				d := s.daemon
				if !row.same {
					d = s.start(hook)
				}

				d.await("the row "+strconv.Quote(row.label), func() bool { return len(s.taken()) > 0 })

				if taken := s.taken(); taken[0] != row.label {
					t.Fatalf("row %q was taken; %s", taken, s.said())
				}

				row.then(s, d)
				s.settle()
			})
		}
	})
}

// Every row that service.Recover can take has a test above.
func TestRecoveryTableIsComplete(t *testing.T) {
	t.Parallel()

	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "..", "service", "recover.go"), nil, 0)
	must(t, err)

	var labels []string

	for _, declared := range parsed.Decls {
		function, ok := declared.(*ast.FuncDecl)
		if !ok || function.Recv == nil {
			continue
		}

		ast.Inspect(function, func(node ast.Node) bool {
			if returned, ok := node.(*ast.ReturnStmt); ok {
				for _, result := range returned.Results {
					if label := labelOf(result); label != "" {
						labels = append(labels, label)
					}
				}
			}

			return true
		})
	}

	if len(labels) < 15 {
		t.Fatalf("found only the rows %q", labels)
	}

	for _, label := range labels {
		if !slices.ContainsFunc(rows, func(row row) bool { return row.label == label }) {
			t.Errorf("no test for row %q", label)
		}
	}

	for _, row := range rows {
		if !slices.Contains(labels, row.label) {
			t.Errorf("there is no row %q", row.label)
		}
	}

	t.Logf("%d rows, %d tests of them", len(labels), len(rows))
}

// labelOf is the text that is returned, or that is the first argument of the call whose result is returned.
func labelOf(result ast.Expr) string {
	if call, ok := result.(*ast.CallExpr); ok && len(call.Args) > 0 {
		result = call.Args[0]
	}

	literal, ok := result.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return ""
	}

	text, _ := strconv.Unquote(literal.Value)

	return text
}

// taken are the rows that the present daemon has recorded.
func (s *site) taken() []string {
	var taken []string

	for _, record := range s.records() {
		if recovered := record.Event.GetRecovered(); recovered != nil && record.Seq > s.since {
			taken = append(taken, recovered.GetRow())
		}
	}

	return taken
}

func (s *site) runAndCrash() {
	s.t.Helper()
	s.run().crash()
}

// startAndForget starts the service and has the journal lose that.
func (s *site) startAndForget() {
	s.t.Helper()

	image := s.image()
	s.began++
	s.daemon.command(&events.StartService{})
	s.daemon.awaitRunning()
	s.daemon.crash()
	s.state = image
}

func (s *site) loseJournal() {
	s.t.Helper()

	s.state = filepath.Join(filepath.Dir(s.state), "state"+uuid.NewString()[:6])
	must(s.t, os.Mkdir(s.state, 0o700))
}

// killShim kills the shim of the service and waits until containerd has ended what had lost it.
func (s *site) killShim() {
	s.t.Helper()

	task := s.task()
	process, err := cgroup.Open(int(task.Pid()))
	must(s.t, err)

	shim, err := cgroup.Open(parentOf(s.t, task.Pid()))
	must(s.t, err)
	must(s.t, cgroup.Signal(shim, unix.SIGKILL))
	must(s.t, cgroup.Ended(s.t.Context(), shim, process))
}

// parentOf returns the parent of a process, which for the first one of a container is its shim.
func parentOf(t testing.TB, pid uint32) int {
	t.Helper()

	status, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(pid), 10) + "/status")
	must(t, err)

	_, rest, _ := strings.Cut(string(status), "\nPPid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	parent, err := strconv.Atoi(line)
	must(t, err)

	return parent
}

// createTaskByHand makes the task of the container that is there, and does not start it.
func (s *site) createTaskByHand() {
	s.t.Helper()

	host, err := oci.ThisHost(s.world.rootfs, "/"+s.namespace)
	must(s.t, err)

	rootfs, err := oci.OverlayRootfs(s.desired().Services[0], host, s.runDir, 1)
	must(s.t, err)

	container, err := s.world.client.LoadContainer(s.context(), s.id)
	must(s.t, err)

	_, err = container.NewTask(s.context(), cio.NullIO, client.WithRootFS([]mount.Mount{rootfs}))
	must(s.t, err)
}

// adopted: the same program goes on, under control.
func adopted(s *site, d *daemon) {
	s.t.Helper()

	before := s.task().Pid()
	d.awaitRunning()

	if now := d.view(); now.PID != before || s.task().Pid() != before {
		s.t.Errorf("PID %d became %d; %s", before, now.PID, s.said())
	}

	s.has("TaskAdopted")
}

// restarted: the program was ended, if it ran, and began anew.
func restarted(s *site, d *daemon) {
	s.t.Helper()

	s.began++
	d.awaitRunning()
}

// lost: nobody knows how the program ended, which is said; it began anew.
func lost(s *site, d *daemon) {
	s.t.Helper()
	restarted(s, d)
	s.has("TaskLost")
}

// exitedWith: the exit is known, and the program began anew.
func exitedWith(code int32) func(s *site, d *daemon) {
	return func(s *site, d *daemon) {
		s.t.Helper()
		restarted(s, d)

		if exit := d.view().LastExit; !exit.GetKnown() || exit.GetCode() != code {
			s.t.Errorf("exit %v, not %d; %s", exit, code, s.said())
		}
	}
}

// finished: it has ended as a person wanted, and nothing is left.
func finished(s *site, d *daemon) {
	s.t.Helper()
	d.awaitEnded(events.StateFinished)
}

func (s *site) has(kind string) {
	s.t.Helper()

	if !slices.ContainsFunc(s.records(), func(record events.Record) bool { return record.Seq > s.since && record.Kind == kind }) {
		s.t.Errorf("no %s; %s", kind, s.said())
	}
}
