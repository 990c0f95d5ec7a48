package dashboard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"plain text":                      "plain text",
		"\x1b[1;31mred\x1b[0m, \x1b[2Jno": "red, no",
		"\x1b]0;a title\x07after":         "after",
		"one\rtwo\x00three\x7f":           "one two three",
		"a\tb":                            "a       b",
		"日本\tb":                           "日本    b",
		"\u202eevil\u200d":                "evil",
		"\xffnot utf-8":                   "\uFFFDnot utf-8",
		"blanks at the end  \r":           "blanks at the end",
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	const day = 24 * time.Hour

	for duration, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", time.Minute: "1m0s", time.Hour - 1: "59m59s", time.Hour: "1h0m", day - 1: "23h59m",
		day: "1d0h", 100*day - 1: "99d23h", 100 * day: "100d", 3650 * day: "3650d",
	} {
		if got := short(duration); got != want {
			t.Errorf("%v: %q, not %q", duration, got, want)
		}
	}

	for bytes, want := range map[uint64]string{
		0: "0K", 4096: "4K", 999 << 10: "999K", 1 << 20: "1.0M", 99<<20 + 512<<10: "99.5M", 800 << 20: "800M", 5 << 30: "5.0G", 1 << 60: "1024P",
	} {
		if got := size(bytes); got != want {
			t.Errorf("%d: %q, not %q", bytes, got, want)
		}
	}

	for share, want := range map[float64]string{0: "0.0%", 0.34: "0.3%", 9.94: "9.9%", 9.96: "10%", 1600: "1600%"} {
		if got := percent(share); got != want {
			t.Errorf("%v: %q, not %q", share, got, want)
		}
	}
}

// A log comes in pieces of any size; what is kept of it is bounded.
func TestLogIsBounded(t *testing.T) {
	var log logLines

	for i := range 3 * mostLines {
		line := fmt.Sprintf("line %d\n", i)
		log.write([]byte(line[:3]))
		log.write([]byte(line[3:]))
	}

	if len(log.kept) != mostLines || log.kept[0] != fmt.Sprintf("line %d", 2*mostLines) {
		t.Errorf("%d lines from %q on", len(log.kept), log.kept[0])
	}

	for range 10 {
		log.write([]byte(strings.Repeat("x", longestLine)))
	}

	if len(log.begun) != longestLine || log.count() != mostLines+1 {
		t.Errorf("%d bytes are begun, %d lines", len(log.begun), log.count())
	}

	log.write([]byte("\nnext"))

	if last := log.line(log.count() - 1); last != "next" || len(log.kept[mostLines-1]) != longestLine {
		t.Errorf("last %q after %d bytes", last, len(log.kept[mostLines-1]))
	}
}

// Who has scrolled up sees the same lines, whatever comes.
func TestScrolledLinesStay(t *testing.T) {
	s := newScreen(80, 24, false)
	s.send(whole(s.service("ext-a", events.StateRunning, time.Minute)))
	s.press("tab", "enter")
	s.send(logMsg{id: "ext-a", fresh: true, text: numbered(0, 100)})
	s.press("up", "up", "pgup")

	before := s.model.panel(s.model.layout().panel)[1:]

	s.send(logMsg{id: "ext-a", text: numbered(100, 150)})

	if diff := cmp.Diff(before, s.model.panel(s.model.layout().panel)[1:]); diff != "" {
		t.Error(diff)
	}

	s.press("end")

	if lines := s.model.panel(s.model.layout().panel); lines[len(lines)-1] != "line 149" {
		t.Errorf("followed is %q", lines)
	}
}

func numbered(from, to int) []byte {
	var text []byte
	for i := from; i < to; i++ {
		text = fmt.Appendf(text, "line %d\n", i)
	}

	return text
}

// A share takes two readings of the same attempt, neither too near nor too far from each other.
func TestShareOfProcessor(t *testing.T) {
	const second = int64(time.Second)

	read := func(m meter, attempt uint64, cpu, at int64) meter {
		return m.read(&apiv1.ServiceStat{CpuNs: uint64(cpu), MemoryBytes: 7}, attempt, at)
	}
	first := read(meter{}, 1, 5*second, 100*second)

	for name, row := range map[string]struct {
		next  meter
		share float64
		rated bool
	}{
		"one reading":        {first, 0, false},
		"half a processor":   {read(first, 1, 6*second, 102*second), 50, true},
		"two processors":     {read(first, 1, 9*second, 102*second), 200, true},
		"too soon":           {read(first, 1, 6*second, 100*second+second/2), 0, false},
		"after being sooner": {read(read(first, 1, 6*second, 100*second+second/2), 1, 6*second, 102*second), 50, true},
		"much later":         {read(first, 1, 6*second, 200*second), 0, false},
		"another attempt":    {read(first, 2, 6*second, 102*second), 0, false},
		"less than before":   {read(first, 1, second, 102*second), 0, false},
	} {
		if row.next.share != row.share || row.next.rated != row.rated || row.next.memory != 7 {
			t.Errorf("%s: %+v", name, row.next)
		}
	}
}

// Only what is on the screen is measured, and nothing where there is no room for the figures.
func TestOnlyTheVisibleIsMeasured(t *testing.T) {
	s := newScreen(80, 16, false)

	var many []*apiv1.Service
	for i := range 500 {
		many = append(many, s.service(fmt.Sprintf("ext-%03d", i), events.StateRunning, time.Minute))
	}

	many[1].Pid = 0
	s.send(whole(many...))

	rows := s.model.layout().list
	if got := s.feed.wanted.measured; len(got) != rows-1 || got[0] != "ext-000" || got[1] != "ext-002" {
		t.Errorf("%d rows, measured %q", rows, got)
	}

	s.press("end")

	if got := s.feed.wanted.measured; len(got) != rows || got[rows-1] != "ext-499" {
		t.Errorf("at the end measured %q", got)
	}

	s.press("enter")

	if diff := cmp.Diff([]string{"ext-499"}, s.feed.wanted.measured); diff != "" {
		t.Error(diff)
	}

	s.press("esc")
	s.send(tea.WindowSizeMsg{Width: 40, Height: 12})

	if got := s.feed.wanted.measured; got != nil {
		t.Errorf("on a narrow screen measured %q", got)
	}
}

// An order is given once, when it is confirmed, to the service that was asked about.
func TestOrdersAreConfirmed(t *testing.T) {
	s := newScreen(80, 24, false)
	s.send(whole(s.service("ext-a", events.StateRunning, time.Minute), s.service("ext-b", events.StateRunning, time.Minute)))

	s.press("r", "x", "down", "s", "n", "S", "esc", "t", "q", "y")

	if len(s.feed.orders) != 0 || s.quit {
		t.Fatalf("orders %v, quit %v", s.feed.orders, s.quit)
	}

	s.press("down", "r")
	s.send(removed("ext-a")) // the rows move while it is asked
	s.press("y", "y", "S", "y", "s", "Y")

	want := []order{{"ext-b", "restart"}, {"ext-b", "stop"}, {"ext-b", "start"}}
	if diff := cmp.Diff(want, s.feed.orders, cmp.AllowUnexported(order{})); diff != "" {
		t.Error(diff)
	}

	s.send(awayMsg{"gone"})
	s.press("r", "y")

	if len(s.feed.orders) != len(want) {
		t.Errorf("orders while no daemon answers: %v", s.feed.orders)
	}

	if s.press("q"); !s.quit {
		t.Error("q does not quit")
	}
}

// What comes late of a service that is not selected any more is not taken for that of the one that is.
func TestLateLinesOfAnotherService(t *testing.T) {
	s := newScreen(80, 24, false)
	s.send(whole(s.service("ext-a", events.StateRunning, time.Minute), s.service("ext-b", events.StateRunning, time.Minute)))
	s.send(s.happen("ext-a", "of a"), logMsg{id: "ext-a", fresh: true, text: []byte("of a\n")})
	s.press("down")
	s.send(s.happen("ext-a", "of a"), logMsg{id: "ext-a", text: []byte("of a\n")})

	if len(s.model.past.records) != 0 || s.model.log.count() != 0 {
		t.Errorf("of ext-b: %v, %v", s.model.past.records, s.model.log.kept)
	}
}

// The picture of a daemon that went away is faint, and it is full again when it is back.
func TestOldPictureIsFaint(t *testing.T) {
	s := newScreen(80, 24, false)
	s.send(s.household())

	fresh := s.model.frame()[2]

	s.send(awayMsg{"gone"})

	if stale := s.model.frame()[3]; !strings.HasPrefix(stale, faintStyle.String()) || strings.Contains(stale, markedStyle.String()) {
		t.Errorf("stale: %q", stale)
	}

	s.send(s.household())

	if again := s.model.frame()[2]; again != fresh {
		t.Errorf("back: %q, before %q", again, fresh)
	}
}

// Names stay in one piece where a line is broken.
func TestHanging(t *testing.T) {
	got := hanging(`   12s  Waiting for service "ext-agent" to be "up"`, 8, 36)
	want := []string{`   12s  Waiting for service`, `        "ext-agent" to be "up"`}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
