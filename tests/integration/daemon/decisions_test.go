package daemon_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
	"github.com/extactor/extactor/journal"
	machine "github.com/extactor/extactor/service"
)

// mostCauses is how many records without a right cause are named.
const mostCauses = 5

// judgeJournal looks at what the daemons of this host have recorded, as "replay --check" does: every decision is what the
// machine decides, and names what led to it.
func (h *host) judgeJournal(ctx context.Context) {
	if _, err := os.Stat(filepath.Join(h.state, "journal.db")); err != nil {
		return // it never began, or a test has taken it away
	}

	reader, err := journal.OpenReadOnly(h.state)
	if err != nil {
		h.t.Logf("the decisions are not checked: %v", err)

		return
	}

	defer func() {
		if err := reader.Close(); err != nil {
			h.t.Error(err)
		}
	}()

	var (
		checker machine.Checker
		records []events.Record
	)

	err = reader.Each(ctx, 0, math.MaxInt64, func(record events.Record) bool {
		checker.Add(record)
		record.Event = nil
		records = append(records, record)

		return true
	})
	if err != nil {
		h.t.Errorf("the journal cannot be read: %v", err)
	}

	report := checker.Report()
	for _, first := range report.First {
		h.t.Errorf("the decision of record %d of %s differs: %v\nrecorded %v\ntoday %v %s",
			first.Seq, first.Service, first.Command, first.Recorded, first.Today, first.Refused)
	}

	problems := history.CheckCauses(records)
	if h.program != "" { // another version may have recorded less
		problems = nil
	}

	if len(problems) > mostCauses {
		problems = problems[:mostCauses]
	}

	if len(problems) > 0 {
		h.t.Errorf("causes:\n%s", strings.Join(problems, "\n"))
	}

	h.t.Logf("journal: %d records, %d decisions taken again, %d differ, %d not judged", report.Records, report.Decisions,
		report.Differences, report.Uncertain)
}
