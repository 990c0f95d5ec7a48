package replay

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A person uses the page: with the keys, the buttons, the filter, the timeline and the address. Nothing goes wrong in it, and
// nothing is asked of a network.
func TestReportInUse(t *testing.T) {
	ctx := browser(t)
	m := newMachine(20, 3000, 2)

	var (
		watch    sync.Mutex
		problems []string
	)

	must := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()

		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}

	must(chromedp.EmulateViewport(1280, 1600))

	err := chromedp.Listen(ctx, func(event any) {
		watch.Lock()
		defer watch.Unlock()

		switch event := event.(type) {
		case *runtime.EventExceptionThrown:
			problems = append(problems, event.ExceptionDetails.Exception.Description)
		case *runtime.EventConsoleAPICalled:
			problems = append(problems, fmt.Sprint("console: ", event.Type))
		}
	})
	if err != nil {
		t.Fatal(err)
	}

	show(t, ctx, pageOf(t, m.records, 1), "#seq=1000&id=bird")

	seq := func() float64 {
		t.Helper()

		return ask[float64](t, ctx, "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(extactor.journal.seq[extactor.state.row]))))")
	}
	says := func(selector, want string) {
		t.Helper()
		seq() // what was asked for is drawn by then

		if got := ask[string](t, ctx, fmt.Sprintf("document.querySelector(%q).textContent", selector)); !strings.Contains(got, want) {
			t.Errorf("%s says %q, not %q", selector, got, want)
		}
	}
	at := func(what string, want float64) {
		t.Helper()

		if got := seq(); got != want {
			t.Errorf("after %s it is record %v, not %v", what, got, want)
		}
	}

	at("the address", 1000)
	says("#detail h2", "ext-bird")

	before, after := spoken(m, 1000)
	must(chromedp.KeyEvent(kb.ArrowRight))
	at("the right arrow", after)
	must(chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))

	if got := seq(); got > before {
		t.Errorf("after two left arrows it is record %v, not one up to %v", got, before)
	}

	must(chromedp.KeyEvent(kb.Home))
	at("Home", 1)
	must(chromedp.KeyEvent(kb.End))
	at("End", float64(len(m.records)))
	must(chromedp.Click(chromedp.CSS("#previous")), chromedp.Click(chromedp.CSS("#next")))
	must(chromedp.Click(chromedp.CSS("#first")))
	at("the first button", 1)

	must(chromedp.Evaluate[chromedp.Void]("document.activeElement.blur()")) // on a button, space is that button's
	must(chromedp.KeyEvent(" "), until("extactor.state.row > 20"), chromedp.KeyEvent(" "))
	says("#play", "Play")

	must(chromedp.KeyEvent("/"))

	if focus := ask[string](t, ctx, "document.activeElement.id"); focus != "filter" {
		t.Errorf("after / the focus is on %q", focus)
	}

	must(chromedp.Evaluate[chromedp.Void]("document.getElementById('filter').value = ''"), chromedp.SendKeys(chromedp.CSS("#filter"), "agent"))
	seq()

	if shown := ask[int](t, ctx, "document.querySelectorAll('#services tbody tr:not([hidden])').length"); shown != 1 {
		t.Errorf("%d services are shown by the filter", shown)
	}

	must(chromedp.KeyEvent(kb.Escape), chromedp.Evaluate[chromedp.Void]("document.getElementById('filter').value = ''; document.getElementById('filter').dispatchEvent(new Event('input'))"))
	says("#detail", "Choose a service")

	must(chromedp.KeyEvent("b"), chromedp.KeyEvent("+"), chromedp.KeyEvent("-"), chromedp.KeyEvent("a"), chromedp.KeyEvent("0"))

	place := ask[[]float64](t, ctx, "(() => { scrollTo(0, 0); const box = document.querySelector('.lanes').getBoundingClientRect(); return [box.left + 600, box.top + 50]; })()")
	must(chromedp.MouseClickXY(place[0], place[1]))
	says("#detail h2", ask[string](t, ctx, "extactor.state.timeline.ordered[1].id"))

	moment := seq()
	if moment <= 21 || moment == float64(len(m.records)) {
		t.Errorf("a click on the timeline went to record %v", moment)
	}

	must(until(fmt.Sprintf("location.hash.startsWith('#seq=%v&id=ext-')", moment)))

	must(chromedp.Click(chromedp.CSS(".list .event.later")))

	if got := seq(); got <= moment {
		t.Errorf("a click on a later event went from record %v to %v", moment, got)
	}

	must(chromedp.Evaluate[chromedp.Void]("location.hash = '#seq=77&id=agent'"), until("extactor.state.id === 'ext-agent'"))
	at("another address", 77)

	was := ask[string](t, ctx, "getComputedStyle(document.body).color")
	must(chromedp.Click(chromedp.CSS("#theme")))

	if ask[string](t, ctx, "getComputedStyle(document.body).color") == was {
		t.Error("another theme has the same colours")
	}

	// On a phone, and on paper.
	must(chromedp.EmulateViewport(390, 844))
	seq()

	if wide := ask[int](t, ctx, "document.documentElement.scrollWidth"); wide > 390 {
		t.Errorf("the page is %d points wide on a phone", wide)
	}

	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
		t.Fatal(err)
	}

	if paper, err := chromedp.Run(ctx, chromedp.PrintToPDF()); err != nil || len(paper) < 10_000 {
		t.Errorf("on paper it is %d bytes: %v", len(paper), err)
	}

	if asked := ask[[]string](t, ctx, "performance.getEntriesByType('resource').map((entry) => entry.name)"); len(asked) > 0 {
		t.Errorf("the page asked for %v", asked)
	}

	watch.Lock()
	defer watch.Unlock()

	if len(problems) > 0 {
		t.Errorf("in the page went wrong:\n%s", strings.Join(problems, "\n"))
	}
}

// until waits until an expression is true in the page.
func until(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(patience))
}

// spoken returns the events around a record that have a text.
func spoken(m *machine, seq uint64) (before, after float64) {
	for _, record := range m.records {
		switch {
		case record.Message == "":
		case record.Seq <= seq:
			before = float64(record.Seq)
		case after == 0:
			after = float64(record.Seq)
		}
	}

	return before, after
}
