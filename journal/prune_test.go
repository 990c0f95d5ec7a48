package journal_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// chronicle remembers everything that was ever appended.
type chronicle struct {
	mu      sync.Mutex
	journal *journal.Journal
	records []events.Record
	alive   []string
}

func (c *chronicle) append(decision events.Decision) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.records = append(c.records, c.journal.Append(decision).Records...)
}

// snapshot is what the actors do when the journal asks.
func (c *chronicle) snapshot(context.Context) error {
	for _, service := range c.alive {
		c.append(events.Decision{Service: service, Entries: []events.Entry{
			{Event: events.New(&events.Snapshot{State: events.StateRunning}), State: events.StateRunning},
		}})
	}

	return nil
}

// of returns the service's records, and how many of its lines an old record must be among to stay.
func (c *chronicle) of(service string) (records, lines []events.Record) {
	for _, record := range c.records {
		if record.Service == service {
			records = append(records, record)
			if record.Message != "" {
				lines = append(lines, record)
			}
		}
	}

	return records, lines[max(0, len(lines)-events.RecentLines):]
}

// history is a random one: a service that crashes all the time, two that are quiet, one with few lines, one that goes, and
// the daemon itself.
func (c *chronicle) history(random *rand.Rand) {
	weights := map[string]int{"ext-crashes": 1000, "ext-quiet": 40, "ext-calm": 15, "ext-few": 2, "": 10, "ext-gone": 20}

	var urn []string
	for _, service := range append(slices.Clone(c.alive), "", "ext-gone") {
		urn = append(urn, slices.Repeat([]string{service}, weights[service])...)
	}

	for _, service := range c.alive {
		c.append(journaltest.Decision(service, 0))
	}

	for number := range 700 {
		service := urn[random.IntN(len(urn))]
		if service == "ext-gone" && number > 200 {
			continue
		}

		decision := journaltest.Decision(service, number)
		decision.Entries[0].Message = strings.Repeat("not kept for long ", random.IntN(2)*50)

		c.append(decision)
	}

	c.append(events.Decision{Service: "ext-gone", Entries: []events.Entry{{Event: events.New(&events.ServiceRemoved{}), Message: "gone"}}})
	c.append(journaltest.Decision("ext-crashes", 1))

	for number := range 500 { // so that retention looks once more
		c.append(journaltest.Decision("ext-crashes", number))
	}
}

// Whatever happens to others, a service keeps its newest lines, and all that follows its last snapshot.
func TestRetentionKeepsLines(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()

			told := &chronicle{alive: []string{"ext-crashes", "ext-quiet", "ext-calm", "ext-few"}}
			options := journal.Options{Dir: filepath.Join(t.TempDir(), "state"), MaxBytes: 256 << 10, Snapshot: told.snapshot}
			told.journal = open(t, options)
			told.history(rand.New(rand.NewPCG(seed, 0)))

			if err := told.journal.Close(); err != nil {
				t.Fatal(err)
			}

			options.Snapshot = nil
			again := open(t, options)

			if status := await(t, again, "the check", checked); len(status.Losses) > 0 {
				t.Fatalf("losses are %v", status.Losses)
			}

			floor := told.check(t, again)
			losesKept(t, again, options, floor)
		})
	}
}

// check compares what is left with what was appended, and returns the first sequence from which on everything is there.
func (c *chronicle) check(t *testing.T, j *journal.Journal) uint64 {
	t.Helper()

	left := map[uint64]bool{}
	stream := j.Subscribe(0)

	for newest := c.records[len(c.records)-1].Seq; !left[newest]; {
		record, err := stream.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		left[record.Seq] = true
	}

	floor := c.records[len(c.records)-1].Seq
	for left[floor-1] {
		floor--
	}

	if floor == 1 || c.records[floor-1].Decision != floor {
		t.Fatalf("everything from %d on is left, which is of decision %d", floor, c.records[floor-1].Decision)
	}

	for _, service := range append(slices.Clone(c.alive), "") {
		all, lines := c.of(service)

		want := slices.DeleteFunc(slices.Clone(all), func(record events.Record) bool {
			return record.Seq < floor && !slices.ContainsFunc(lines, func(line events.Record) bool { return line.Seq == record.Seq })
		})

		var got []events.Record
		if err := j.Replay(service, func(record events.Record) bool { got = append(got, record); return true }); err != nil {
			t.Fatal(err)
		}

		// Retention may have looked before the newest lines came: then it kept more of the older ones.
		got = slices.DeleteFunc(got, func(record events.Record) bool { return record.Seq < floor && record.Seq < lines[0].Seq })
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Fatalf("records of %q with %d lines (-want +got):\n%s", service, len(lines), diff)
		}

		whole, rest := events.NewView(service), events.NewView(service)
		for _, record := range all {
			whole = whole.Apply(record)
		}

		for _, record := range got {
			rest = rest.Apply(record)
		}

		if diff := cmp.Diff([]any{whole.State, whole.Attempt, whole.Recent}, []any{rest.State, rest.Attempt, rest.Recent}); diff != "" {
			t.Fatalf("view of %q (-all +left):\n%s", service, diff)
		}

		if service != "" && !slices.ContainsFunc(got, func(record events.Record) bool { return record.Seq >= floor && record.Kind == "Snapshot" }) {
			t.Fatalf("there is no snapshot of %s", service)
		}
	}

	if gone, _ := c.of("ext-gone"); gone[0].Seq >= floor || left[gone[0].Seq] {
		t.Fatalf("the oldest record of a service that is gone is left: %d, all from %d", gone[0].Seq, floor)
	}

	return floor
}

// losesKept takes one of the kept records away, which must not go unnoticed.
func losesKept(t *testing.T, j *journal.Journal, options journal.Options, floor uint64) {
	t.Helper()

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	statement(fmt.Sprintf("DELETE FROM records WHERE seq = (SELECT min(seq) FROM records WHERE seq < %d)", floor))(t, options.Dir)

	status := await(t, open(t, options), "the check", checked)
	if len(status.Losses) != 1 || status.Lost != 1 {
		t.Fatalf("losses are %v, %d records", status.Losses, status.Lost)
	}
}
