package replay

import (
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/extactor/extactor/report"
)

// jumps is the script that goes to random moments, and tells how long each took, in milliseconds, until it was drawn and
// laid out.
const jumps = `(() => {
	const { journal, state } = extactor, took = [];
	let random = 1;
	state.choose('ext-agent');
	for (let i = 0; i < 200; i++) {
		random = random * 48271 % 2147483647;
		const begin = performance.now();
		state.go(random / 2147483647 * journal.end);
		state.draw();
		document.body.offsetHeight;
		took.push(performance.now() - begin);
	}
	return took;
})()`

// BenchmarkReport makes a page of 100,000 records of 200 services, opens it in a browser, and jumps to 200 moments of it.
func BenchmarkReport(b *testing.B) {
	records := newMachine(200, 100_000, 11).records
	ctx := browser(b)

	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 1800)); err != nil { // so that all of it is drawn
		b.Fatal(err)
	}

	var (
		loads, all, worst []float64
		size              int
		made              time.Duration
	)

	for b.Loop() {
		begin := time.Now()
		collected := report.New(1)

		for _, record := range records {
			collected.Add(record)
		}

		page, err := collected.Page(report.Heading{Node: "node-1"}, nil)
		if err != nil {
			b.Fatal(err)
		}

		made, size = time.Since(begin), len(page)
		show(b, ctx, page, "")

		loads = append(loads, ask[float64](b, ctx, "extactor.ready"))
		took := ask[[]float64](b, ctx, jumps)
		slices.Sort(took)
		all, worst = append(all, took[len(took)/2]), append(worst, took[len(took)-1])

		if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
			b.Fatal(err)
		}
	}

	for name, values := range map[string][]float64{"ms-load": loads, "ms-jump-median": all, "ms-jump-most": worst} {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], name)
	}

	b.ReportMetric(float64(size)/1e6, "MB")
	b.ReportMetric(made.Seconds()*1000, "ms-made")
	b.ReportMetric(0, "ns/op")
	b.Logf("%d records", len(records))
}
