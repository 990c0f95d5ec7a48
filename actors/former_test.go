package actors_test

import (
	"slices"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
)

// readJournal notes whose history is read.
type readJournal struct {
	actors.Journal

	read *[]string
}

func (j readJournal) Replay(service string, yield func(events.Record) bool) error {
	*j.read = append(*j.read, service)

	return j.Journal.Replay(service, yield)
}

// A file that comes back does not cost reading the whole history, and nothing of it is forgotten.
func TestAServiceThatComesBackIsRemembered(t *testing.T) {
	story(t, func(w *actorstest.World) {
		var read []string

		w.Config = func(config *actors.Config) { config.Journal = readJournal{Journal: config.Journal, read: &read} }

		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)
		command(w, "ext-a", &events.StopService{})
		w.UntilState("ext-a", events.StateFinished)

		before, _ := w.System.View("ext-a")

		for range 3 {
			reload(w, files())
			reload(w, files(serve("a")))
		}

		w.Run(time.Minute)

		after, _ := w.System.View("ext-a")
		if after.State != events.StateFinished || after.Desired != events.DesiredStopped || len(after.Recent) < len(before.Recent) {
			t.Fatalf("it was %+v, it is %+v", before, after)
		}

		if !slices.Equal(read, []string{"ext-a"}) {
			t.Fatalf("the histories of %q were read", read)
		}

		w.CheckViews()
	})
}
