package report

import (
	"maps"
	"slices"
	"strings"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
	"github.com/extactor/extactor/picture"
)

// service is one service with all that a page shows of it, at each record that changed something.
type service struct {
	cells map[string]*cell
	names []string            // of the cells, in the order in which they came to be
	needs map[string]struct{} // keys of all conditions that it ever had

	checked bool // it has a health check
}

// cell is one thing that is shown of a service: the rows at which it became another, and the values that it had from then on.
type cell struct {
	at     []int32 // each as the difference to the one before, as they are written down
	value  []int32
	last   int    // the row of the last value
	moment moment // the last value of one that holds moments
}

// moment is a value, too: a time on both clocks, in microseconds.
type moment struct {
	wall, boot int64
	bootID     string
}

// here stands for the moment of the row at which it is noted. It is the first of all values.
type here struct{}

func newService() *service {
	return &service{cells: map[string]*cell{}, needs: map[string]struct{}{}}
}

// follow takes from a record what its view does not keep.
func (s *service) follow(event *events.Event) {
	for _, lifecycle := range []*events.Lifecycle{
		event.GetSpecLoaded().GetLifecycle(), event.GetSpecChanged().GetLifecycle(), event.GetSnapshot().GetLifecycle(),
	} {
		if lifecycle != nil {
			s.checked = lifecycle.GetHealthCheck()
		}
	}
}

// note writes down what is another of a service since the last time.
func (r *Report) note(index int, id string) {
	service := r.services[id]
	view, present := r.fold.Glance(id)

	set := func(name string, value any) { r.set(service, index, name, value) }

	phase, text := picture.Describe(view)
	bar := picture.PhaseOf(view, service.checked)

	if !present {
		phase, bar = "", "" // nothing is drawn
	}

	set("present", present)
	set("bar", string(bar))
	set("phase", string(phase))
	set("text", text)
	set("state", view.State)
	r.setMoment(service, index, "since", view.Since, view.SinceBootID)
	set("desired", view.Desired)
	set("attempt", view.Attempt)
	set("restarts", view.Restarts)
	set("pid", view.PID)
	set("container", view.Container)
	set("nextRetry", microseconds(view.NextRetry))
	set("problem", view.Problem)
	set("quarantined", view.Quarantined)
	set("fileProblem", view.FileProblem)
	set("health", healthOf(view.Health))
	set("healthMessage", view.Health.LastMessage)
	set("source", view.Source)
	set("cycle", strings.Join(view.Cycle, " -> "))
	set("pending", view.RestartPending())
	r.noteExit(service, index, view.LastExit, view.BootID)
	r.noteConditions(service, index, view)
	r.noteStanding(service, index, id)
}

// noteStanding writes down with what an explanation begins.
func (r *Report) noteStanding(service *service, index int, id string) {
	standing, _ := r.why.Standing(id)
	set := func(name string, value any) { r.set(service, index, name, value) }

	set("is", standing.Is)
	set("entered", standing.Entered)
	set("lastExit", standing.LastExit)
	set("endings", standing.Restarts)
	set("blocked", standing.Blocked)

	if standing.Restarts > 0 {
		r.setMoment(service, index, "firstExit", standing.FirstExit, r.boots[r.rows[index].boot].id)
	}

	seen := make(map[string]history.Wait, len(standing.Waits))
	for _, wait := range standing.Waits {
		seen[wait.Key] = wait
	}

	for _, key := range slices.Sorted(maps.Keys(service.needs)) {
		set("changed "+key, seen[key].Changed)
		set("absence "+key, seen[key].Absence)
	}
}

// healthOf is the word for a health that status shows.
func healthOf(health events.Health) string {
	switch {
	case health.Unknown:
		return "?"
	case health.Healthy:
		return "OK"
	default:
		return "Fail"
	}
}

// noteOwn writes down what is another of the daemon itself.
func (r *Report) noteOwn(index int) {
	past := r.fold.Last()
	r.set(r.own, index, "stopped", past.Stopped)
	r.set(r.own, index, "stop", r.why.Stopped())

	files := make([]string, len(past.Rejected))
	for i, file := range past.Rejected {
		files[i] = file.GetFile() + " (" + strings.Join(file.GetProblems(), ", ") + ")"
	}

	r.set(r.own, index, "rejected", listOf(files))
}

func (r *Report) noteExit(service *service, index int, exit *events.Exit, bootID string) {
	set := func(name string, value any) { r.set(service, index, name, value) }

	if exit == nil {
		set("exit", nil)
		set("exitLines", "")

		return
	}

	text := exit.Text()
	if exit.GetExplanation() != "" {
		text += ": " + exit.GetExplanation()
	}

	set("exit", text)
	set("exitGood", exit.Success())
	set("exitLines", exit.GetLastLines())

	if at := exit.GetAt(); at != nil {
		set("exitAt", moment{wall: microseconds(at.GetWallNs()), boot: microseconds(at.GetBootNs()), bootID: bootID})
	}
}

// noteConditions has one cell for the list of conditions, and three for each of them.
func (r *Report) noteConditions(service *service, index int, view events.View) {
	keys := make([]string, len(view.Conditions))

	for i, condition := range view.Conditions {
		keys[i] = condition.Key
		service.needs[condition.Key] = struct{}{}

		met := "unknown"

		switch {
		case condition.Known && condition.Met:
			met = "met"
		case condition.Known:
			met = "unmet"
		}

		r.set(service, index, "met "+condition.Key, met)
		r.set(service, index, "wait "+condition.Key, condition.Text)
		r.set(service, index, "awaits "+condition.Key, history.Awaits(condition))
		r.setMoment(service, index, "since "+condition.Key, condition.Since, view.BootID)
	}

	r.set(service, index, "depends", listOf(keys))
}

// list is a value made of several texts, none of which has a line feed.
type list string

func listOf(texts []string) list { return list(strings.Join(texts, "\n")) }

func (s *service) cell(name string) *cell {
	known := s.cells[name]
	if known == nil {
		known = &cell{}
		s.cells[name] = known
		s.names = append(s.names, name)
	}

	return known
}

func (r *Report) set(service *service, index int, name string, value any) {
	service.cell(name).turn(index, r.values.index(value))
}

// turn writes down a value where it is another than the last.
func (c *cell) turn(index, value int) {
	if last := len(c.value) - 1; last < 0 || int(c.value[last]) != value {
		c.change(index, value)
	}
}

// setMoment writes down a moment, most often that of the row itself.
func (r *Report) setMoment(service *service, index int, name string, at events.Moment, bootID string) {
	known, now := service.cell(name), momentOf(at, bootID)
	if now == known.moment && len(known.at) > 0 {
		return
	}

	known.moment = now
	if row := r.rows[index]; now == momentOf(row.at, r.boots[row.boot].id) {
		known.change(index, 0)

		return
	}

	known.change(index, r.values.index(now))
}

func (c *cell) change(index, value int) {
	c.at, c.value = append(c.at, int32(index-c.last)), append(c.value, int32(value))
	c.last = index
}

func momentOf(at events.Moment, bootID string) moment {
	return moment{wall: microseconds(at.WallNS), boot: microseconds(at.BootNS), bootID: bootID}
}

// microseconds is what a number of JavaScript can hold of a time in nanoseconds.
func microseconds(nanoseconds int64) int64 { return nanoseconds / 1000 }
