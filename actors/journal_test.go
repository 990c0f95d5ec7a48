package actors_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
)

// disk is the state of a disk under a journal.
type disk struct {
	mu       sync.Mutex
	buffered int // 0 while it can be written
	changed  chan struct{}
}

func (d *disk) health() (healthy bool, message string, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()

	if d.buffered == 0 {
		return true, "", d.changed
	}

	return false, fmt.Sprintf("disk full, %d events buffered", d.buffered), d.changed
}

func (d *disk) set(buffered int, tell bool) {
	d.mu.Lock()
	defer d.mu.Unlock()

	d.buffered = buffered

	if tell {
		close(d.changed)
		d.changed = make(chan struct{})
	}
}

func journaled(t *testing.T, tell func(w *actorstest.World, d *disk)) {
	t.Helper()
	story(t, func(w *actorstest.World) {
		d := &disk{changed: make(chan struct{})}
		w.Config = func(config *actors.Config) { config.JournalHealth = d.health }

		tell(w, d)
	})
}

func wantJournal(w *actorstest.World, want events.Health) {
	w.T.Helper()

	view, found := w.System.View("journal")
	if !found || view.State != events.StateRunning || view.Health != want {
		w.Fatalf("journal: %+v, %t", view, found)
	}
}

func TestTheJournalIsShown(t *testing.T) {
	journaled(t, func(w *actorstest.World, d *disk) {
		w.Boot()
		w.Run(time.Minute)
		wantJournal(w, events.Health{Healthy: true})

		d.set(1, true)
		w.Run(time.Minute)
		wantJournal(w, events.Health{LastMessage: "disk full, 1 events buffered"})

		// How many they are is brought up to date, and not recorded.
		before := w.Events("journal")

		d.set(37, false)
		w.Run(time.Minute)
		wantJournal(w, events.Health{LastMessage: "disk full, 37 events buffered"})
		wantEvents(w, "journal", before...)

		d.set(0, true)
		w.Run(time.Minute)
		wantJournal(w, events.Health{Healthy: true})

		if after := w.Events("journal"); len(after) != len(before)+1 {
			w.Fatalf("events %q", after)
		}
	})
}

func TestAServiceMayDependOnTheJournal(t *testing.T) {
	journaled(t, func(w *actorstest.World, d *disk) {
		d.set(1, false)
		w.Boot(serve("a", on("journal")))
		w.Run(time.Minute)

		if last := w.Events("ext-a"); !strings.HasSuffix(last[len(last)-1], `Waiting for service "journal" to be "up"`) {
			w.Fatalf("events %q", last)
		}

		d.set(0, true)
		w.UntilState("ext-a", events.StateRunning)

		if _, err := w.Command("journal", &events.StopService{}); err == nil || !strings.Contains(err.Error(), "built in") {
			w.Fatalf("stop: %v", err)
		}

		shutDown(w, nil)
	})
}
