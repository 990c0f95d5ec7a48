package bench_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// BenchmarkRegisteredToRunning is the time from before the file of a dependency is handed to a running daemon until the
// service that waited for it to be registered is shown as Running: two starts, one after the other, with the journal on
// disk and containers that take no time.
func BenchmarkRegisteredToRunning(b *testing.B) {
	const id = "ext-waiting"

	system := startSystem(b, openJournal(b, "ours"), nil)
	reload := func(services ...*spec.Service) {
		if _, err := system.Reload(b.Context(), actors.Desired{Services: services}); err != nil {
			b.Fatal(err)
		}
	}

	var ours []time.Duration

	sample := func() {
		needed := serve(fmt.Sprint("needed", len(ours))) // one without a history
		waiting := serve("waiting", spec.Dependency{Service: needed.ID()})

		reload(waiting)
		await(b, system, id, func(view events.View) bool {
			return len(view.Waiting()) == 1 && view.Waiting()[0].Text == fmt.Sprintf("service %q to be registered", needed.ID())
		})

		begin := time.Now()

		reload(waiting, needed)
		await(b, system, id, func(view events.View) bool { return view.State == events.StateRunning })

		ours = append(ours, time.Since(begin))

		reload()
		until(b, system, func() bool {
			_, one := system.View(id)
			_, other := system.View(needed.ID())

			return !one && !other
		})
	}

	for b.Loop() {
		sample()
	}

	for len(ours) < samples {
		sample()
	}

	b.ReportMetric(0, "ns/op")
	report(b, "ours", ours)
}
