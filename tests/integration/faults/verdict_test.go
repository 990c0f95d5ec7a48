package faults_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/extactor/extactor/events"
)

// youngCode is that of a Go program which gets SIGTERM before it says what to do then.
const youngCode = 2

// pipes is the most that was on its way to logd when a shim died: the pipe of the service, the buffer of the shim, and
// the FIFO, where nobody else held it. In lines of at least six bytes.
const pipes = (64<<10 + 32<<10 + 1<<20) / 6

// run is one attempt of which a mark, and perhaps a record, tells.
type run struct {
	attempt
	ran       bool   // its program was executed
	lines     uint64 // that were taken
	exits     bool   // it said that it would exit, and with which code
	code      int32
	shimless  bool // its shim was killed
	told      bool // a record after its end says that output is lost
	cancelled bool // its start was, because the daemon was told to stop

	pids map[uint32]bool // as what it was started and adopted
	ends []*events.Exit  // as they were recorded; an unknown one where it was lost
}

// figures are what the campaign shows; all but the first ones must be 0.
type figures struct {
	runs, exits, unknown, lines, cut int

	restarted, wrongExits, missingExits, lost, doubled, untold int
}

// runs puts together what the services and the journal say.
func (h *host) runs(services []string, records []events.Record, shimless map[attempt]bool) map[attempt]*run {
	h.t.Helper()

	all := map[attempt]*run{}

	at := func(id string, number uint64) *run {
		key := attempt{id, number}
		if all[key] == nil {
			all[key] = &run{attempt: key, shimless: shimless[key], pids: map[uint32]bool{}}
		}

		return all[key]
	}

	for _, id := range services {
		entries, err := os.ReadDir(filepath.Join(h.mark, id))
		must(h.t, err)

		for _, entry := range entries {
			number, err := strconv.ParseUint(entry.Name(), 10, 64)
			if err != nil {
				h.t.Errorf("%s: %s", id, entry.Name()) // started twice

				continue
			}

			content, err := os.ReadFile(filepath.Join(h.mark, id, entry.Name()))
			must(h.t, err)

			one := at(id, number)
			if one.ran = len(content) == 16; one.ran {
				one.lines = binary.NativeEndian.Uint64(content)
				exit := binary.NativeEndian.Uint64(content[8:])
				one.exits, one.code = exit > 0, int32(exit)-1
			}
		}
	}

	for _, record := range records {
		switch kind := record.Event.GetKind().(type) {
		case *events.Event_TaskStarted:
			at(record.Service, kind.TaskStarted.GetAttempt()).pids[kind.TaskStarted.GetPid()] = true
		case *events.Event_StartFailed:
			if kind.StartFailed.GetCancelled() {
				at(record.Service, kind.StartFailed.GetAttempt()).cancelled = true
			}
		case *events.Event_TaskAdopted:
			at(record.Service, kind.TaskAdopted.GetAttempt()).pids[kind.TaskAdopted.GetPid()] = true
		case *events.Event_TaskExited:
			one := at(record.Service, kind.TaskExited.GetAttempt())
			one.ends = append(one.ends, kind.TaskExited.GetExit())
		case *events.Event_OutputLost:
			at(record.Service, kind.OutputLost.GetAttempt()).told = true
		case *events.Event_TaskLost:
			one := at(record.Service, kind.TaskLost.GetAttempt())
			one.ends = append(one.ends, &events.Exit{})
		}
	}

	return all
}

// judge compares one run with what was recorded and printed of it, and returns what is wrong with it.
func (f *figures) judge(one *run, log *log) (wrong []string) {
	blame := func(figure *int, by int, format string, values ...any) {
		*figure += by
		wrong = append(wrong, fmt.Sprintf("%s attempt %d (PIDs %v, shim killed: %v): ", one.id, one.number, one.pids, one.shimless)+
			fmt.Sprintf(format, values...))
	}

	f.runs++

	if one.cancelled && len(one.pids) == 0 {
		return nil
	}

	if len(one.pids) > 1 {
		blame(&f.restarted, 1, "several processes")
	}

	if one.ran && !one.exits && !one.shimless {
		blame(&f.restarted, 1, "something has ended it: %v", one.ends)
	}

	f.judgeExit(one, blame)
	f.judgeLines(one, log, blame)

	return wrong
}

type blame func(figure *int, by int, format string, values ...any)

func (f *figures) judgeExit(one *run, blame blame) {
	if len(one.ends) != 1 {
		if one.ran || len(one.ends) > 1 {
			blame(&f.missingExits, 1, "%d records of its end: %v", len(one.ends), one.ends)
		}

		return
	}

	f.exits++

	switch exit := one.ends[0]; {
	case !exit.GetKnown():
		f.unknown++

		if !one.shimless {
			blame(&f.wrongExits, 1, "the exit is unknown, it was %d (%v)", one.code, one.exits)
		}
	case !one.ran && exit.GetCode() == youngCode: // it had not even begun
	case !one.exits:
		blame(&f.wrongExits, 1, "the exit is %v, but it never exited", exit)
	case exit.GetCode() != one.code || exit.GetSignal() != 0:
		blame(&f.wrongExits, 1, "the exit is %v, it was %d", exit, one.code)
	}
}

func (f *figures) judgeLines(one *run, log *log, blame blame) {
	printed := log.last[one.number]
	f.lines += int(printed)

	switch {
	case printed > one.lines+1 || printed > one.lines && one.exits:
		blame(&f.doubled, int(printed-one.lines), "%d lines in the log, %d were printed", printed, one.lines)
	case printed >= one.lines && !log.broken[one.number]:
		return
	case !one.shimless:
		blame(&f.lost, int(one.lines-printed), "%d lines in the log, %d were printed", printed, one.lines)
	case one.lines-printed > pipes:
		blame(&f.lost, int(one.lines-printed), "%d lines in the log, %d were printed: more than its pipes held", printed, one.lines)
	default:
		f.cut += int(one.lines - min(printed, one.lines))

		if one.told || slices.ContainsFunc(one.ends, (*events.Exit).GetOutputLost) {
			return
		}

		blame(&f.untold, 1, "%d lines in the log, %d were printed, and no record says why: %v", printed, one.lines, one.ends)
	}
}
