package actors_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// Files that have problems are shown from the start, and as of the last reload.
func TestRejectedFilesAreShown(t *testing.T) {
	story(t, func(w *actorstest.World) {
		bad := &events.SpecRejected{File: "/s/bad.yaml", Problems: []string{"2:3"}}
		w.Config = func(config *actors.Config) { config.Desired.Rejected = []*events.SpecRejected{bad} }

		w.Boot(serve("a"))
		w.UntilState("ext-a", events.StateRunning)

		if diff := cmp.Diff([]*events.SpecRejected{bad}, w.System.Rejected(), protocmp.Transform()); diff != "" {
			w.Fatalf("%s", diff)
		}

		changed := w.System.Changed()
		reload(w, actors.Desired{Services: []*spec.Service{serve("a")}})

		if rejected := w.System.Rejected(); len(rejected) != 0 {
			w.Fatalf("still rejected: %v", rejected)
		}

		select {
		case <-changed:
		default:
			w.Fatalf("nobody was told of the change")
		}
	})
}
