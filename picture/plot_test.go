package picture

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
)

// Names and messages of those who want to break out of a picture, or only out of their row.
var hostile = []string{
	`</text></svg><script>alert(1)</script>`, `" onload="alert(1)`, "a\nb\x00\x1b[2J\x7f", "]]>", "&amp;&#0;", "\u202eevil\u2066\u200b", "\xff\xfe",
	strings.Repeat("W", 300), strings.Repeat("漢字", 80), "\uFFFE\uFFFF\U0001F600", `\N\l"];}`, "%%{init: {}}%%", "", " ", "ext-\"quoted\"",
}

func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.SampledFrom(hostile), rapid.String())
}

// history of a few services: any fact in any state at any time, also such as no machine would record.
func anyRecords() *rapid.Generator[[]events.Record] {
	return rapid.Custom(func(t *rapid.T) []events.Record {
		ids := rapid.SliceOfNDistinct(rapid.OneOf(rapid.SampledFrom([]string{"containerd", "ext-a", "ext-b", "time"}), anyText()), 1, 6, rapid.ID).Draw(t, "ids")
		keys := []string{"time", "network:addresses", "path:" + rapid.SampledFrom(hostile).Draw(t, "path")}

		for _, id := range ids {
			keys = append(keys, "service:"+id, "completed:"+id)
		}

		facts := rapid.SampledFrom([]func() events.Fact{
			func() events.Fact {
				return &events.SpecLoaded{Lifecycle: &events.Lifecycle{
					Depends: rapid.SliceOfN(rapid.SampledFrom(keys), 0, 4).Draw(t, "depends"), HealthCheck: rapid.Bool().Draw(t, "checked"),
				}}
			},
			func() events.Fact {
				return &events.ConditionChanged{Key: rapid.SampledFrom(keys).Draw(t, "key"), Met: rapid.Bool().Draw(t, "met")}
			},
			func() events.Fact {
				return &events.TaskExited{Exit: &events.Exit{Known: rapid.Bool().Draw(t, "known")}}
			},
			func() events.Fact { return &events.RestartScheduled{UntilBootNs: 1} },
			func() events.Fact { return &events.BackoffElapsed{} },
			func() events.Fact { return &events.ServiceFinished{} },
			func() events.Fact { return &events.HealthChanged{Healthy: rapid.Bool().Draw(t, "healthy")} },
			func() events.Fact { return &events.StartFailed{Problem: "<b>"} },
			func() events.Fact { return &events.Snapshot{State: events.StateRunning} },
			func() events.Fact { return &events.Gap{} },
			func() events.Fact { return &events.DaemonStarted{} },
		})

		states := append(events.States(), "Unheard", "")
		at := rapid.Int64Range(0, 1<<40).Draw(t, "begin")

		var records []events.Record

		for i := range rapid.IntRange(1, 60).Draw(t, "records") {
			at += rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 1<<33)).Draw(t, "pause")
			records = append(records, events.Record{
				Seq: uint64(i), BootID: rapid.SampledFrom([]string{testBoot, testBoot, testBoot, "other"}).Draw(t, "boot"),
				Service: rapid.SampledFrom(append(ids, "")).Draw(t, "service"), State: rapid.SampledFrom(states).Draw(t, "state"),
				Message: anyText().Draw(t, "message"), BootNS: at, WallNS: rapid.Int64().Draw(t, "wall"), Event: events.New(facts.Draw(t, "fact")()),
			})
		}

		return records
	})
}

// Whatever was recorded, the picture can be read: each service has one row, nothing is outside, nothing breaks out.
func TestPlotOfAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := anyRecords().Draw(t, "records")
		boot := bootOf(records, testBoot, 0)
		options := PlotOptions{
			Host: anyText().Draw(t, "host"), Service: rapid.SampledFrom([]string{"", "ext-a", "nobody"}).Draw(t, "of"),
			Dependencies: rapid.Bool().Draw(t, "dependencies"), Length: time.Duration(rapid.Int64Range(0, 1<<42).Draw(t, "length")),
		}

		var want []string

		for _, record := range records {
			if record.BootID == testBoot && record.Service != "" {
				want = append(want, record.Service)
			}
		}

		slices.Sort(want)
		want = slices.Compact(want)

		var got []string

		for _, row := range boot.Rows {
			if !row.Condition {
				got = append(got, row.ID)
			}

			checkSpans(t, boot, row)
		}

		slices.Sort(got)

		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("rows (-want +got):\n%s", diff)
		}

		picture := Plot(boot, options)
		all := parse(t, picture)
		checkInside(t, all)

		titles := 0
		for _, element := range all {
			if element.name == "g" {
				titles++
			}
		}

		if titles != len(boot.Rows) {
			t.Errorf("%d rows were drawn of %d", titles, len(boot.Rows))
		}

		if again := Plot(bootOf(slices.Clone(records), testBoot, 0), options); again != picture {
			t.Error("the same records gave another picture")
		}
	})
}

// checkSpans: they follow each other without holes until the end, and differ.
func checkSpans(t *rapid.T, boot Boot, row Row) {
	for i, span := range row.Spans {
		if span.From > span.To || span.From < boot.Begin || span.To > boot.End {
			t.Errorf("%q: span %+v in a boot from %d to %d", row.ID, span, boot.Begin, boot.End)
		}

		if i > 0 && (row.Spans[i-1].To != span.From || row.Spans[i-1].Phase == span.Phase) {
			t.Errorf("%q: %+v is followed by %+v", row.ID, row.Spans[i-1], span)
		}
	}

	if len(row.Spans) == 0 || row.Spans[len(row.Spans)-1].To != boot.End {
		t.Errorf("%q does not go on to the end: %+v", row.ID, row.Spans)
	}
}

// The critical path has no holes, and each of its links is there once.
func TestCriticalPathOfAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		boot := bootOf(anyRecords().Draw(t, "records"), testBoot, 0)

		for _, row := range boot.Rows {
			if row.Condition {
				continue
			}

			chain := boot.Critical(row.ID)
			if len(chain) == 0 || chain[len(chain)-1].ID != row.ID {
				t.Fatalf("the path to %q ends elsewhere: %+v", row.ID, chain)
			}

			last := chain[len(chain)-1]
			if last.Open != (row.Up == Never) || !last.Open && last.To != row.Up {
				t.Errorf("%q came up at %d, its path says %+v", row.ID, row.Up, last)
			}

			seen := map[rowKey]bool{}

			for i, link := range chain {
				if seen[rowKey{link.ID, link.Condition}] {
					t.Errorf("%q is there twice: %+v", link.ID, chain)
				}

				seen[rowKey{link.ID, link.Condition}] = true

				if link.From > link.To || i > 0 && chain[i-1].To != link.From {
					t.Errorf("path to %q: %+v", row.ID, chain)
				}
			}
		}
	})
}

func TestCriticalPath(t *testing.T) {
	boot := bootOf(five(), testBoot, 0)
	at := func(milliseconds int64) int64 { return kernelTime + milliseconds*millisecond }

	want := []Link{
		{ID: "path:/sys/class/iscsi_host", Condition: true, From: at(4), To: at(910)},
		{ID: "ext-iscsid", From: at(910), To: at(1072)},
		{ID: "ext-storage", From: at(1072), To: at(1729), Retries: 2},
		{ID: "ext-agent", From: at(1729), To: at(2350)},
	}
	if diff := cmp.Diff(want, boot.Critical(boot.Last())); diff != "" {
		t.Errorf("path of the last service (-want +got):\n%s", diff)
	}

	want = []Link{{ID: "containerd", From: at(1), To: at(241)}, {ID: "ext-tuned", From: at(241), To: at(372)}}
	if diff := cmp.Diff(want, boot.Critical("ext-tuned")); diff != "" {
		t.Errorf("path of another (-want +got):\n%s", diff)
	}

	want = []Link{
		{ID: "configuration:vpn", Condition: true, From: at(5), To: boot.End, Open: true},
		{ID: "ext-vpn", From: boot.End, To: boot.End, Open: true},
	}
	if diff := cmp.Diff(want, boot.Critical("ext-vpn")); diff != "" {
		t.Errorf("path of one that is not up (-want +got):\n%s", diff)
	}
}

// What was not part of the boot does not squeeze it.
func TestBootEndsWithTheLastServiceBeforeAPause(t *testing.T) {
	s := newStory()
	s.load(1, "ext-a", false)
	s.start(2, 10, "ext-a", 1)
	s.load(3_600_000, "ext-late", false)
	s.start(3_600_001, 10, "ext-late", 1)
	boot := bootOf(s.records, testBoot, 0)

	if got := boot.Settled() - boot.Begin; got != 12*millisecond {
		t.Errorf("it settled after %s", span(got))
	}

	if got := boot.Last(); got != "ext-a" {
		t.Errorf("the last one was %q", got)
	}
}

// crashing is a service that crashes so many times, and is up in the end.
func crashing(times int64) []events.Record {
	s := newStory()
	s.load(1, "ext-crash", false)

	for i := range times {
		s.start(2+i*100, 10, "ext-crash", uint64(i+1))
		s.fail(2+i*100+50, 50, "ext-crash", uint64(i+1))
	}

	s.start(2+times*100, 10, "ext-crash", uint64(times+1))

	return s.records
}

// A service that crashed all the time does not make the picture grow without bound, and its bar has no holes.
func TestPlotOfManyRetriesIsSmall(t *testing.T) {
	boot := bootOf(crashing(4_000), testBoot, 0)
	if len(boot.service("ext-crash").Spans) < 12_000 {
		t.Fatalf("%d spans", len(boot.service("ext-crash").Spans))
	}

	picture := Plot(boot, PlotOptions{Length: 1 << 60})
	if len(picture) > 200_000 {
		t.Errorf("%d bytes", len(picture))
	}

	var end float64

	for _, element := range parse(t, picture) {
		if x := element.length("x"); element.parent == "row" && element.name == "rect" && element.length("height") == 14 && element.attributes["y"] == "153" {
			if end != 0 && x > end+0.2 {
				t.Fatalf("a hole: a part begins at %v, the one before ended at %v", x, end)
			}

			end = x + element.length("width")
		}
	}

	if want := newPlot(boot, PlotOptions{}).right; end < want-0.1 {
		t.Errorf("the bar ends at %v, not at %v", end, want)
	}
}

func TestSpan(t *testing.T) {
	for length, want := range map[time.Duration]string{
		0: "0", -5: "0", 900: "0.9 µs", 1500 * time.Microsecond: "1.5 ms", 34 * time.Millisecond: "34 ms", 820400 * time.Microsecond: "820 ms",
		time.Second: "1 s", 1256 * time.Millisecond: "1.25 s", 59 * time.Second: "59 s", 125 * time.Second: "2 min 5 s", 2 * time.Minute: "2 min",
		200 * time.Minute: "3 h 20 min", 49 * time.Hour: "2 d 1 h",
	} {
		if got := span(int64(length)); got != want {
			t.Errorf("%d is %q, want %q", length, got, want)
		}
	}
}

func TestTicksAreRoundAndFew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.Int64Range(int64(time.Millisecond), int64(10000*time.Hour)).Draw(t, "length")
		if step := tick(length); step <= 0 || length/step > mostTicks {
			t.Errorf("a mark every %d of %d", step, length)
		}
	})

	for length, want := range map[time.Duration]time.Duration{
		time.Second: 100 * time.Millisecond, 3 * time.Second: 500 * time.Millisecond, 45 * time.Second: 5 * time.Second, 4 * time.Minute: 30 * time.Second,
		time.Hour: 10 * time.Minute, 100 * time.Hour: 12 * time.Hour,
	} {
		if got := time.Duration(tick(int64(length))); got != want {
			t.Errorf("a mark every %s of %s, want %s", got, length, want)
		}
	}
}

func BenchmarkPlot(b *testing.B) {
	for name, records := range map[string][]events.Record{"5 services": many(5, 1), "200 services": many(200, 1), "100000 records": crashing(16_600)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Plot(bootOf(records, testBoot, 0), PlotOptions{Dependencies: true})
			}
		})
	}
}
