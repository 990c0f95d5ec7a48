package service

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
)

// Checker takes every recorded decision again: the command, with its facts and its time, in the state that the records
// before it lead to. Where today's machine decides otherwise than the one that was recorded, that is a difference. What is
// recorded stands: the next decision is taken in the state that it leads to.
//
// Where records are missing a state is not known for certain until the next snapshot of the service, which is written
// before older records are deleted and after a Gap. Until then what differs says nothing about the machine.
type Checker struct {
	services map[string]*checked
	open     []events.Record // of the decision that is being read
	last     uint64
	holes    bool // records are missing, so that what is seen for the first time has a past
	report   CheckReport
}

// CheckReport is what a Checker found.
type CheckReport struct {
	Records   int // that were read
	Decisions int // that were taken again
	Unknown   int // that this version has no words for, and did not take again
	Uncertain int // that differ after records that are missing

	Differences int          // decisions that differ
	First       []Difference // the first one of each service, in the order of their sequences
}

// Difference is one decision that today's machine would not take as it was taken.
type Difference struct {
	Seq      uint64 // of the command
	Service  string
	Command  *events.Command
	Recorded []events.Entry
	Today    []events.Entry
	Refused  string // why the command is refused today; empty where it is not
}

// checked is one service on its way.
type checked struct {
	state   State
	unsure  bool // records that led to the state are missing
	differs bool // its first difference was found
}

// Add reads the next record; all records of all services must come, in the order of their sequences.
func (c *Checker) Add(record events.Record) {
	c.report.Records++

	if len(c.open) > 0 && c.open[0].Decision != record.Decision {
		c.decide(record.Seq == c.last+1)
	}

	if record.Seq != c.last+1 {
		c.miss()
	}

	c.open, c.last = append(c.open, record), record.Seq
}

// Report ends the reading.
func (c *Checker) Report() CheckReport {
	if len(c.open) > 0 {
		c.decide(true)
	}

	return c.report
}

// miss: of what is missing nobody knows to whom it belonged.
func (c *Checker) miss() {
	c.holes = true
	for _, service := range c.services {
		service.unsure = true
	}
}

// decide takes the decision that was read. It is whole where nothing is missing behind it.
func (c *Checker) decide(whole bool) {
	rows := c.open
	c.open = nil
	whole = whole && rows[0].Seq == rows[0].Decision && int(rows[len(rows)-1].Seq-rows[0].Seq) == len(rows)-1

	id := rows[0].Service
	if id == "" {
		return
	}

	service := c.service(id)

	if strings.HasPrefix(rows[0].Kind, "command.") {
		c.compare(service, rows[0], rows[1:], whole)
	}

	for _, row := range rows {
		if row.Event == nil {
			service.unsure = service.unsure || !strings.HasPrefix(row.Kind, "command.")

			continue
		}

		service.state = Apply(service.state, row.Event)

		if row.Event.GetSnapshot() != nil {
			service.unsure = false
		}
	}
}

func (c *Checker) service(id string) *checked {
	if known := c.services[id]; known != nil {
		return known
	}

	if c.services == nil {
		c.services = make(map[string]*checked)
	}

	c.services[id] = &checked{state: New(id), unsure: c.holes}

	return c.services[id]
}

func (c *Checker) compare(service *checked, command events.Record, rows []events.Record, whole bool) {
	recorded := make([]events.Entry, 0, len(rows))
	for _, row := range rows {
		recorded = append(recorded, events.Entry{Event: row.Event, State: row.State, Attempt: row.Attempt, Message: row.Message})
	}

	if command.Command == nil || slices.ContainsFunc(recorded, func(entry events.Entry) bool { return entry.Event == nil }) {
		c.report.Unknown++

		return
	}

	c.report.Decisions++

	step, err := Take(service.state, command.Command, command.Cause)

	switch {
	case err == nil && slices.EqualFunc(step.Decision.Entries, recorded, sameEntry):
		return
	case service.unsure || !whole:
		c.report.Uncertain++

		return
	}

	c.report.Differences++

	if service.differs {
		return
	}

	service.differs = true

	difference := Difference{
		Seq: command.Seq, Service: command.Service, Command: command.Command, Recorded: recorded, Today: step.Decision.Entries,
	}
	if err != nil {
		difference.Refused = err.Error()
	}

	c.report.First = append(c.report.First, difference)
}

// sameEntry compares what was decided, not the words for it.
func sameEntry(a, b events.Entry) bool {
	return proto.Equal(a.Event, b.Event) && a.State == b.State && a.Attempt == b.Attempt
}
