package journal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

var retained = []string{"ext-a", "ext-b"}

// snapshots is what the actors do when the journal asks.
func snapshots(j *journal.Journal) {
	for _, service := range retained {
		j.Append(events.Decision{Service: service, Entries: []events.Entry{
			{Event: events.New(&events.Snapshot{State: events.StateRunning}), State: events.StateRunning},
		}})
	}
}

// appendMuch appends decisions of about 3 KB.
func appendMuch(j *journal.Journal, decisions int) {
	var group sync.WaitGroup
	for producer := range 4 {
		group.Go(func() {
			for number := range decisions / 4 {
				decision := journaltest.Decision(retained[producer%2], number)
				decision.Entries[1].Message += strings.Repeat(".", 2_000)
				j.Append(decision)
			}
		})
	}

	group.Wait()
}

func TestRetentionBySize(t *testing.T) {
	t.Parallel()

	var j atomic.Pointer[journal.Journal]

	options := journal.Options{
		Dir: filepath.Join(t.TempDir(), "state"), MaxBytes: 1 << 20,
		Snapshot: func(context.Context) error {
			snapshots(j.Load())

			return nil
		},
	}
	j.Store(open(t, options))
	appendMuch(j.Load(), 800) // twice what may be kept

	status := await(t, j.Load(), "old records to be deleted", func(journal.Status) bool {
		// The first record of all is of either service.
		return min(sequences(t, j.Load(), "ext-a")[0], sequences(t, j.Load(), "ext-b")[0]) > 3
	})
	if len(status.Losses) > 0 {
		t.Fatalf("losses are %v", status.Losses)
	}

	again := reopen(t, j.Load(), options)
	checkRetained(t, again, status.Revision)
}

// checkRetained checks that old records are gone, in order, and that a snapshot of each service stands.
func checkRetained(t *testing.T, j *journal.Journal, revision uint64) {
	t.Helper()

	stream := j.Subscribe(0)
	snapshot := map[string]bool{}

	for last := uint64(1); last < revision; {
		record, err := stream.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		if record.Seq <= last {
			t.Fatalf("record %d follows %d", record.Seq, last)
		}

		last = record.Seq
		snapshot[record.Service] = snapshot[record.Service] || record.Kind == "Snapshot"
	}

	for _, service := range retained {
		if !snapshot[service] {
			t.Fatalf("there is no snapshot of %s", service)
		}
	}
}

func TestRetentionByAge(t *testing.T) {
	t.Parallel()

	var (
		j    atomic.Pointer[journal.Journal]
		boot atomic.Int64
	)

	options := journal.Options{
		Dir: filepath.Join(t.TempDir(), "state"), MaxAge: time.Hour,
		Now: func() *events.Instant { // a wall clock that says nothing
			return &events.Instant{WallNs: time.Now().UnixNano(), BootNs: boot.Load()}
		},
		Snapshot: func(context.Context) error {
			snapshots(j.Load())

			return nil
		},
	}
	j.Store(open(t, options))
	fillAt := func(at time.Duration, decisions int) {
		boot.Store(at.Nanoseconds())

		for number := range decisions {
			decision := journaltest.Decision("ext-a", number)
			decision.At = &events.Instant{WallNs: 1, BootNs: at.Nanoseconds()} // 1970
			j.Load().Append(decision)
		}
	}

	fillAt(time.Minute, 100)
	fillAt(2*time.Hour, 300)

	await(t, j.Load(), "old records to be deleted", func(journal.Status) bool {
		return sequences(t, j.Load(), "ext-a")[0] >= 301
	})

	seqs := sequences(t, j.Load(), "ext-a")
	if seqs[0] != 301 {
		t.Fatalf("the oldest record is %d, want the first that is younger than an hour, 301", seqs[0])
	}
}

func TestNothingDeletedWithoutSnapshots(t *testing.T) {
	t.Parallel()

	asked := make(chan struct{}, 100)
	j := open(t, journal.Options{
		MaxBytes: 512 << 10,
		Snapshot: func(context.Context) error {
			asked <- struct{}{}

			return errors.New("a service is quarantined")
		},
	})
	appendMuch(j, 400)
	<-asked

	// The next try is a minute away, and the only one that was made has returned before Close does.
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	if len(asked) > 0 {
		t.Fatal("the services were asked again at once")
	}

	reader, err := journal.OpenReadOnly(j.Status().Path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	rows := 0
	for _, service := range retained {
		if err := reader.Replay(service, func(events.Record) bool { rows++; return true }); err != nil {
			t.Fatal(err)
		}
	}

	if rows != 1200 {
		t.Fatalf("%d of 1200 records are left", rows)
	}
}

// A reader in another process sees what is recorded while the daemon writes.
func TestReadOnlyBeside(t *testing.T) {
	t.Parallel()

	options := journal.Options{Dir: filepath.Join(t.TempDir(), "state")}
	j := open(t, options)
	j.Append(journaltest.Decision("ext-b", 1))
	j.Append(journaltest.Decision("ext-a", 2))
	j.Append(journaltest.Decision("ext-a", 3))

	reader, lines := child(t, "read", options.Dir)
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}

	var output []string
	for lines.Scan() {
		output = append(output, lines.Text())
	}

	if err := reader.Wait(); err != nil {
		t.Fatal(err)
	}

	if want := []string{"[ext-a ext-b]", "Started 2", "Started 3", "6 0"}; !slices.Equal(output, want) {
		t.Fatalf("the reader says %q, want %q", output, want)
	}

	if own, err := j.Services(); err != nil || fmt.Sprint(own) != "[ext-a ext-b]" {
		t.Fatalf("services are %v, %v", own, err)
	}

	if _, err := journal.OpenReadOnly(filepath.Join(t.TempDir(), "journal.db")); err == nil {
		t.Fatal("a journal that does not exist was opened")
	}
}
