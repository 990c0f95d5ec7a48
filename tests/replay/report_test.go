package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/report"
)

// pageOf makes a page of all records from a sequence on.
func pageOf(t testing.TB, records []events.Record, first uint64) []byte {
	t.Helper()

	made := report.New(first)
	for _, record := range records {
		made.Add(record)
	}

	end := records[len(records)-1]

	page, err := made.Page(report.Heading{Node: "node-1", Source: "the running daemon", Version: "v1.0.0", WallNS: end.WallNS + 3*oneSecond, AfterNS: 3 * oneSecond}, nil)
	if err != nil {
		t.Fatal(err)
	}

	return page
}

// seen is what a page shows at one moment.
type seen struct {
	Services []seenService `json:"services"`
	Stopped  bool          `json:"stopped"`
	Rejected []string      `json:"rejected"`
	Table    []string      `json:"table"` // lines, as they stand there
}

type seenService struct {
	Fields     map[string]any  `json:"fields"`
	Since      seenMoment      `json:"since"`
	Conditions []seenCondition `json:"conditions"`
	Waiting    []string        `json:"waiting"`
	Recent     []seenLine      `json:"recent"`
	Why        *seenCause      `json:"why"` // only in a page that has everything from the beginning on
}

type seenCause struct {
	Seq     uint64      `json:"seq"`
	Text    string      `json:"text"`
	Then    string      `json:"then"`
	Lasting bool        `json:"lasting"`
	At      int64       `json:"at"` // on the wall clock
	Because []seenCause `json:"because"`
}

type seenMoment struct {
	Wall   int64  `json:"wall"`
	Boot   int64  `json:"boot"`
	BootID string `json:"bootID"`
}

type seenCondition struct {
	Key   string     `json:"key"`
	Met   string     `json:"met"`
	Text  string     `json:"text"`
	Since seenMoment `json:"since"`
}

type seenLine struct {
	Seq   uint64     `json:"seq"`
	State string     `json:"state"`
	Text  string     `json:"text"`
	At    seenMoment `json:"at"`
}

// look is the script that tells what the page shows after a record.
const look = `(seq, whole) => {
	const { journal, state, explain } = extactor, row = journal.rowOf(seq);
	const cause = ({ seq, text, then, lasting, at, because }) => ({ seq, text, then, lasting, at: at ? at.wall : 0, because: because.map(cause) });
	document.querySelector('#services .scroll').style.maxHeight = 'none'; // all of it can be seen
	state.visit(row);
	state.draw();
	const fields = ['state', 'desired', 'attempt', 'restarts', 'pid', 'container', 'nextRetry', 'problem', 'quarantined', 'fileProblem',
		'health', 'healthMessage', 'source', 'cycle', 'pending', 'exit', 'exitLines'];
	return {
		services: journal.present(row).map((service) => ({
			fields: Object.fromEntries([['id', service.id], ...fields.map((name) => [name, service.get(name, row)])]),
			since: journal.moment(service, 'since', row),
			conditions: journal.conditions(service, row),
			waiting: journal.waiting(service, row).map((condition) => condition.key),
			recent: Array.from(journal.recent(service, row), (line) => ({
				seq: journal.seq[line], state: journal.texts[journal.state[line]], text: journal.text(line), at: journal.instant(line),
			})),
			why: whole ? cause(explain(row, service.id)) : null,
		})),
		stopped: journal.own.get('stopped', row),
		rejected: journal.own.get('rejected', row),
		table: Array.from(document.querySelectorAll('#services tbody tr:not([hidden])'), (tr) => Array.from(tr.cells, (cell) => cell.textContent).join('|')),
	};
}`

func momentOf(at events.Moment, bootID string) seenMoment {
	return seenMoment{Wall: at.WallNS / 1000, Boot: at.BootNS / 1000, BootID: bootID}
}

// shown is what a page must show of a moment.
func shown(past events.Past) seen {
	now := seen{Services: []seenService{}, Stopped: past.Stopped, Rejected: []string{}, Table: []string{}}

	for _, file := range past.Rejected {
		now.Rejected = append(now.Rejected, fmt.Sprintf("%s (%s)", file.GetFile(), strings.Join(file.GetProblems(), ", ")))
	}

	for _, view := range past.Views {
		now.Services = append(now.Services, shownService(view))
		now.Table = append(now.Table, tableLine(view, past))
	}

	return now
}

func shownService(view events.View) seenService {
	health := map[bool]string{true: "OK", false: "Fail"}[view.Health.Healthy]
	if view.Health.Unknown {
		health = "?"
	}

	service := seenService{
		Fields: map[string]any{
			"id": view.ID, "state": view.State, "desired": view.Desired, "attempt": view.Attempt, "restarts": view.Restarts, "pid": view.PID,
			"container": view.Container, "nextRetry": view.NextRetry / 1000, "problem": view.Problem, "quarantined": view.Quarantined,
			"fileProblem": view.FileProblem, "health": health, "healthMessage": view.Health.LastMessage, "source": view.Source,
			"cycle": strings.Join(view.Cycle, " -> "), "pending": view.RestartPending(), "exit": nil, "exitLines": "",
		},
		Since: momentOf(view.Since, view.SinceBootID), Conditions: []seenCondition{}, Waiting: []string{}, Recent: []seenLine{},
	}

	if view.LastExit != nil {
		service.Fields["exit"], service.Fields["exitLines"] = view.LastExit.Text(), view.LastExit.GetLastLines()
	}

	for _, condition := range view.Conditions {
		met := map[bool]string{true: "met", false: "unmet"}[condition.Met]
		if !condition.Known {
			met = "unknown"
		}

		service.Conditions = append(service.Conditions, seenCondition{condition.Key, met, condition.Text, momentOf(condition.Since, view.BootID)})
	}

	for _, condition := range view.Waiting() {
		service.Waiting = append(service.Waiting, condition.Key)
	}

	for _, line := range view.Recent {
		service.Recent = append(service.Recent, seenLine{line.Seq, line.State, line.Message, momentOf(line.At, line.BootID)})
	}

	return service
}

// tableLine is a service in the table, as status has it and with its restarts.
func tableLine(view events.View, past events.Past) string {
	change, event := "", "<none>"

	if last := len(view.Recent) - 1; last >= 0 {
		line := view.Recent[last]

		age := past.At.WallNS - line.At.WallNS
		if line.BootID == past.BootID {
			age = past.At.BootNS - line.At.BootNS
		}

		change, event = time.Duration(max(age, 0)).Round(time.Second).String()+" ago", line.Message
	}

	restarts := ""
	if view.Restarts > 0 {
		restarts = fmt.Sprint(view.Restarts)
	}

	service := shownService(view)

	return strings.Join([]string{view.ID, view.State, service.Fields["health"].(string), restarts, change, event}, "|")
}

// compareMoments looks at some moments of a page and at the folds of the same records.
func compareMoments(t testing.TB, ctx context.Context, records []events.Record, first uint64, seqs []uint64) {
	t.Helper()
	show(t, ctx, pageOf(t, records, first), "")

	for _, seq := range seqs {
		if seq < first {
			continue
		}

		var fold events.Fold

		for _, record := range records {
			if record.Seq <= seq {
				fold.Apply(record)
			}
		}

		now := shown(fold.Past())

		for i := range now.Services {
			if first == 1 {
				now.Services[i].Why = explained(t, records, seq, now.Services[i].Fields["id"].(string))
			}
		}

		want, err := json.Marshal(now)
		if err != nil {
			t.Fatal(err)
		}

		var wanted, got any
		if err := json.Unmarshal(want, &wanted); err != nil {
			t.Fatal(err)
		}

		if got = ask[any](t, ctx, fmt.Sprintf("(%s)(%d, %t)", look, seq, first == 1)); !cmp.Equal(wanted, got) {
			t.Fatalf("after record %d, in a page from %d on (-fold +page): %s", seq, first, cmp.Diff(wanted, got))
		}
	}
}

// explained is what the history tells of a service.
func explained(t testing.TB, records []events.Record, seq uint64, id string) *seenCause {
	t.Helper()

	explanation, err := history.Explain(history.In(records), seq, id)
	if err != nil {
		t.Fatal(err)
	}

	var see func(cause *history.Cause) seenCause

	see = func(cause *history.Cause) seenCause {
		seen := seenCause{Seq: cause.Seq, Text: cause.Text, Then: cause.Then, Lasting: cause.Lasting, At: cause.At.WallNS / 1000, Because: []seenCause{}}
		for _, because := range cause.Because {
			seen.Because = append(seen.Because, see(because))
		}

		return seen
	}

	all := see(explanation.Cause)

	return &all
}

// What a page shows at a moment is what the records are folded to, whatever was recorded and wherever the page begins.
func TestReportShowsWhatIsFolded(t *testing.T) {
	ctx := browser(t)

	t.Run("lives", func(t *testing.T) {
		rapid.Check(t, func(r *rapid.T) {
			dir, err := os.MkdirTemp("", "replay-")
			if err != nil {
				r.Fatal(err)
			}
			defer os.RemoveAll(dir)

			records := recordsOf(r, lead(r, dir, func(*life) {}).path)
			place := rapid.Uint64Range(1, uint64(len(records)))
			first := place.Draw(r, "first")

			var seqs []uint64
			for range 8 {
				seqs = append(seqs, place.Draw(r, "seq"))
			}

			compareMoments(t, ctx, records, first, append(seqs, first, uint64(len(records))))
		})
	})

	t.Run("machine", func(t *testing.T) {
		records := newMachine(30, 4000, 5).records

		for _, first := range []uint64{1, 700, 2500} {
			compareMoments(t, ctx, records, first, []uint64{first, first + 1, first + 137, 1100, 1711, 2777, 3201, 3999})
		}
	})
}

func recordsOf(t *rapid.T, path string) (records []events.Record) {
	reader, err := journal.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	err = reader.Each(context.Background(), 0, math.MaxInt64, func(record events.Record) bool {
		records = append(records, record)

		return true
	})
	if err != nil {
		t.Fatal(err)
	}

	return records
}

// The same records give the same page. Nothing that was recorded can end the element that holds it, or be run.
func TestReportCannotBeBrokenOut(t *testing.T) {
	const evil = `</script><script>document.title='owned'</script><!--` + "\u2028]]>" + `<img src=x onerror="document.title='owned'">`

	m := newMachine(3, 200, 1)
	for i := range m.records {
		m.records[i].Message += evil
		m.records[i].Kind += evil

		if loaded := m.records[i].Event.GetSpecLoaded(); loaded != nil {
			loaded.Lifecycle.Source += evil
		}
	}

	made := report.New(1)
	for _, record := range m.records {
		if record.Service != "" {
			record.Service += evil
		}

		made.Add(record)
	}

	page, err := made.Page(report.Heading{Node: evil, Source: evil, Version: evil, Missing: []string{evil}}, report.Logs{"ext-agent" + evil: {evil}})
	if err != nil {
		t.Fatal(err)
	}

	if strings.Contains(string(page), "owned'<") || strings.Count(string(page), "<script") != 2 || strings.Count(string(page), "</script") != 2 {
		t.Error("the page holds what was recorded as text")
	}

	ctx := browser(t)
	show(t, ctx, page, "#seq=60&id=ext-agent"+strings.ReplaceAll(evil, "#", ""))

	for _, expression := range []string{"extactor.state.choose(extactor.journal.services[1].id)", "extactor.state.visit(150)", "document.getElementById('every').click()", "extactor.state.draw()"} {
		if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](expression)); err != nil {
			t.Fatal(err)
		}
	}

	if title := ask[string](t, ctx, "document.title"); strings.HasPrefix(title, "owned") {
		t.Error("a script that was recorded has run")
	}

	if images := ask[int](t, ctx, "document.querySelectorAll('img, iframe, link').length"); images != 0 {
		t.Errorf("%d elements were made of what was recorded", images)
	}
}
