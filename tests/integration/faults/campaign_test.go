package faults_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// Services outlive the daemon, containerd and logd; no line, no record and no exit code is lost, but for what dies with
// a shim; and nothing is left in the end.
func TestFaults(t *testing.T) {
	faults, seed := setting(t, "FAULTS", 20), uint64(setting(t, "SEED", 1))
	fmt.Printf("FAULTS=%d SEED=%d\n", faults, seed)

	h := newHost(t)
	services := h.tenServices()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	h.supervise()
	must(t, until(limited(ctx, t), func() bool { return h.answers(ctx) }))

	var all []*log
	for _, id := range services {
		all = append(all, h.openLog(id))
	}

	reading := make(chan error, 1)
	reader, stop := context.WithCancel(ctx)

	go func() { reading <- readAll(reader, all) }()

	records := h.follow(ctx)
	c := newCampaign(h, records, seed)
	elapsed := clock()

	h.awaitRunning(ctx, services[:5])

	for struck := 0; struck < faults; {
		struck += c.strike(ctx, faults-struck)
		c.pause(ctx)
		h.startAgain(ctx, services[8:])
	}

	c.probes.Wait()
	h.awaitRunning(ctx, services[:5])
	h.checkCommandLine(records)

	c.problems = append(c.problems, h.supervisor.stop()...)

	stop()
	must(t, <-reading)

	for _, log := range all {
		must(t, log.finish())
	}

	c.report(t, elapsed(), services, all)
}

func setting(t *testing.T, name string, standard int) int {
	t.Helper()

	text := os.Getenv(name)
	if text == "" {
		return standard
	}

	number, err := strconv.Atoi(text)
	must(t, err)

	return number
}

func limited(ctx context.Context, t *testing.T) context.Context {
	t.Helper()

	ctx, cancel := context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)

	return ctx
}

// tenServices returns their ids: five that never end, three that end again and again, two that a person starts again.
func (h *host) tenServices() []string {
	const quick = "extactor: {backoff: {initial: 100ms, max: 1s}}"

	return []string{
		h.service("steady-1", "restart: always", `"-pause=2ms"`),
		h.service("steady-2", "restart: always", `"-pause=5ms", "-burst=3"`),
		h.service("steady-3", "restart: always", `"-pause=20ms", "-burst=10"`),
		h.service("steady-4", "restart: always", `"-pause=100ms"`),
		h.service("bursts", "restart: always", `"-pause=2s", "-burst=4000"`), // more than the pipes hold at once
		h.service("mortal-1", "restart: always\n"+quick, `"-life=3s", "-code=3", "-successes=5"`),
		h.service("mortal-2", "restart: always\n"+quick, `"-life=1s", "-code=30", "-burst=50"`),
		h.service("crashing", "restart: always", `"-life=1ns", "-code=60"`),
		h.service("once", "restart: never", `"-life=500ms", "-code=70"`),
		h.service("until", "restart: untilSuccess\n"+quick, `"-life=500ms", "-code=80", "-successes=3"`),
	}
}

// awaitRunning returns once services run.
func (h *host) awaitRunning(ctx context.Context, ids []string) {
	h.t.Helper()

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	var left []string

	err := until(ctx, func() bool {
		left = nil

		_ = h.ask(ctx, func(ctx context.Context, client *api.Client) error {
			response, err := client.Extactor.Status(ctx, &apiv1.StatusRequest{Ids: ids})
			for _, service := range response.GetServices() {
				if service.GetState() != "Running" {
					left = append(left, fmt.Sprint(service.GetId(), " ", service.GetState(), " ", service.GetProblem()))
				}
			}

			if err != nil {
				left = append(left, err.Error())
			}

			return nil
		})

		return len(left) == 0
	})
	if err != nil {
		h.t.Errorf("not running: %q", left)
	}
}

// startAgain starts what has ended by its policy, as a person would; where no daemon answers it is left for later.
func (h *host) startAgain(ctx context.Context, ids []string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()

	for _, id := range ids {
		_ = h.ask(ctx, func(ctx context.Context, client *api.Client) error {
			_, err := client.Extactor.Start(ctx, &apiv1.ServiceRequest{Id: id})

			return err
		})
	}
}

// checkCommandLine compares what the command line prints of the journal with what was seen from the first moment on.
func (h *host) checkCommandLine(records *follower) {
	h.t.Helper()

	command := exec.Command(extactor, "events", "-o", "json", "--tail", "-1")
	command.Env = append(os.Environ(), "EXTACTOR_SOCKET="+h.socket())

	output, err := command.Output()
	must(h.t, err)

	printed := map[uint64]string{}

	for line := range strings.Lines(string(output)) {
		var record struct {
			Seq     uint64 `json:"seq"`
			Message string `json:"message"`
		}

		must(h.t, json.Unmarshal([]byte(line), &record))
		printed[record.Seq] = record.Message
	}

	records.mu.Lock()
	defer records.mu.Unlock()

	for seq, seen := range records.seen {
		if message, there := printed[seq]; !there && seq <= slices.Max(keys(printed)) || there && message != seen.GetMessage() {
			h.t.Errorf("record %d was %q, the command line prints %q", seq, seen.GetMessage(), message)
		}
	}
}

func keys[K cmp.Ordered, V any](items map[K]V) []K {
	var all []K
	for key := range items {
		all = append(all, key)
	}

	return all
}

// report prints the figures and fails where one is off.
func (c *campaign) report(t *testing.T, elapsed time.Duration, services []string, logs []*log) {
	t.Helper()

	recorded, missing := c.host.journal()
	changed := c.records.compare(recorded)
	left := c.host.leftovers()
	wrong := slices.Concat(c.problems, changed)

	runs := c.host.runs(services, recorded, c.shimless)

	var f figures

	for index, id := range services {
		f.doubled += logs[index].doubled
		f.lost += logs[index].skipped
		wrong = append(wrong, logs[index].problems...)

		for _, one := range sorted(runs, id) {
			wrong = append(wrong, f.judge(one, logs[index])...)
		}
	}

	fmt.Printf("\n%-12s %6s %10s %10s %10s %12s\n", "killed", "kills", "median ms", "p99 ms", "most ms", "down in all")

	for _, kind := range kinds {
		times := c.recovered[kind]
		slices.Sort(times)

		var total time.Duration
		for _, one := range times {
			total += one
		}

		fmt.Printf("%-12s %6d %10d %10d %10d %12v\n", kind, c.kills[kind], share(times, 50), share(times, 99), share(times, 100),
			total.Round(time.Millisecond))
	}

	fmt.Printf("\n%-60s %8v\n", "time", elapsed.Round(time.Second))

	for _, figure := range []struct {
		what   string
		number int
		free   bool
	}{
		{"attempts", f.runs, true}, {"lines", f.lines, true}, {"records", len(recorded), true}, {"exits", f.exits, true},
		{"exits recorded as unknown, their shim was killed", f.unknown, true},
		{"lines that died with a shim, as a record says", f.cut, true},
		{"services restarted by a death of daemon, containerd or logd", f.restarted, false},
		{"lines lost", f.lost, false}, {"lines doubled", f.doubled, false},
		{"losses with a shim that no record tells", f.untold, false},
		{"records missing in the sequence", int(missing), false}, {"records seen once and gone or changed", len(changed), false},
		{"exits with another code, or unknown for no reason", f.wrongExits, false},
		{"exits without a record, or with two", f.missingExits, false},
		{"left behind", len(left), false}, {"did not recover, or something else", len(c.problems), false},
	} {
		fmt.Printf("%-60s %8d\n", figure.what, figure.number)

		if !figure.free && figure.number != 0 {
			t.Errorf("%s: %d", figure.what, figure.number)
		}
	}

	if wrong = append(wrong, left...); len(wrong) > 0 {
		const most = 40
		if more := len(wrong) - most; more > 0 {
			wrong = append(wrong[:most], fmt.Sprintf("and %d more", more))
		}

		t.Errorf("in detail:\n%s", strings.Join(wrong, "\n"))
	}
}

func sorted(runs map[attempt]*run, id string) []*run {
	var all []*run

	for _, one := range runs {
		if one.id == id {
			all = append(all, one)
		}
	}

	slices.SortFunc(all, func(a, b *run) int { return cmp.Compare(a.number, b.number) })

	return all
}

// share is the time within which so many of a hundred recovered, in milliseconds.
func share(times []time.Duration, percent int) int64 {
	if len(times) == 0 {
		return 0
	}

	return times[min(len(times)-1, len(times)*percent/100)].Milliseconds()
}
