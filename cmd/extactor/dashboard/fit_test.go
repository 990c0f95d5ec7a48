package dashboard

import (
	"fmt"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// nasty are texts that could break a screen.
var nasty = []string{
	"ext-a", "ext-b", "ext-日本語-サービス", "ext-" + string(make([]byte, 40)), "e\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "tab\there", "a\r\nb",
	"👩‍👩‍👧‍👦 family", "🇩🇪🇫🇷 flags", "❤️ heart", "\u202eright to left", "\xff\xfe not utf-8", "\x9b31mC1", "\u0301 mark", "ｗｉｄｅ", "\u2028",
	"a very long text that is longer than most screens are wide, and that goes on and on and on for no reason at all", "",
}

var pressable = []string{
	"up", "down", "left", "right", "pgup", "pgdown", "home", "end", "enter", "esc", "tab", "backspace", "j", "k", "g", "G", "s", "S", "t", "r",
	"y", "n", "/", "?", "o", "wai", "日", "ctrl+u", "ctrl+w", "ctrl+f", "z",
}

func drawService(t *rapid.T, s *screen) *apiv1.Service {
	text := rapid.SampledFrom(nasty)
	service := s.service("ext-"+rapid.StringMatching("[a-e]").Draw(t, "id"), rapid.SampledFrom(events.States()).Draw(t, "state"),
		time.Duration(rapid.Int64Range(0, int64(5000*time.Hour)).Draw(t, "since")))
	if rapid.Bool().Draw(t, "nasty") {
		service.Id = text.Draw(t, "nasty id")
	}

	service.Problem, service.FileProblem = text.Draw(t, "problem"), text.Draw(t, "file problem")
	service.Restarts = rapid.Uint64().Draw(t, "restarts")
	service.Events[0].Message = text.Draw(t, "event")
	service.Health = &apiv1.Health{Unknown: rapid.Bool().Draw(t, "unknown"), LastMessage: text.Draw(t, "health")}
	service.WaitingFor = []*apiv1.Dependency{{Text: text.Draw(t, "waiting"), Since: s.ago(time.Minute)}}

	return service
}

// drawMessage is anything that the daemon or a person may do next.
func drawMessage(t *rapid.T, s *screen) {
	text := rapid.SampledFrom(nasty)

	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0:
		s.send(tea.WindowSizeMsg{Width: rapid.IntRange(0, 130).Draw(t, "width"), Height: rapid.IntRange(0, 45).Draw(t, "height")})
	case 1:
		var services []*apiv1.Service
		for range rapid.IntRange(0, 60).Draw(t, "services") {
			services = append(services, drawService(t, s))
		}

		s.send(whole(services...))
	case 2:
		s.send(changed(drawService(t, s)))
	case 3:
		s.send(removed("ext-" + rapid.StringMatching("[a-e]").Draw(t, "removed")))
	case 4:
		s.send(awayMsg{text.Draw(t, "reason")})
	case 5:
		s.send(s.happen(s.model.selected, text.Draw(t, "one"), text.Draw(t, "two")))
	case 6:
		s.send(logMsg{id: s.model.selected, skipped: rapid.Bool().Draw(t, "skipped"), text: []byte(text.Draw(t, "line") + "\n" + text.Draw(t, "begun"))})
	case 7:
		s.send(s.used(s.model.selected, time.Duration(rapid.Int64Min(0).Draw(t, "cpu")), rapid.Uint64().Draw(t, "memory")))
		s.pass(2 * time.Second)
	default:
		s.press(rapid.SampledFrom(pressable).Draw(t, "key"))
	}
}

// TestEveryFrameFits does anything to screens of any size: no line is ever wider, no frame ever higher, nothing ever
// reaches the terminal that could move its cursor, and what is selected is in sight.
func TestEveryFrameFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newScreen(rapid.IntRange(0, 130).Draw(t, "width"), rapid.IntRange(0, 45).Draw(t, "height"), rapid.Bool().Draw(t, "ascii"))

		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			drawMessage(t, s)

			if misfit := s.misfit(); misfit != "" {
				t.Fatal(misfit)
			}

			m := s.model
			if row := slices.Index(m.rows, m.selected); row != m.row && (len(m.rows) > 0 || m.selected != "") {
				t.Fatalf("%q is selected in row %d of %q", m.selected, m.row, m.rows)
			}

			if list := m.layout().list; list > 0 && len(m.rows) > 0 && (m.row < m.top || m.row >= m.top+list) {
				t.Fatalf("row %d is not in sight: %d rows from %d on", m.row, list, m.top)
			}
		}
	})
}

// TestSelectionFollowsTheService changes everything around the selected service.
func TestSelectionFollowsTheService(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newScreen(80, 24, false)

		var services []*apiv1.Service
		for i := range 30 {
			services = append(services, s.service(fmt.Sprintf("ext-%02d", i), events.StateRunning, time.Minute))
		}

		s.send(whole(services...))

		for range rapid.IntRange(0, 29).Draw(t, "down") {
			s.press("down")
		}

		selected := s.model.selected

		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			other := fmt.Sprintf("ext-%02d", rapid.IntRange(0, 40).Draw(t, "other"))

			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				s.send(changed(s.service(other, rapid.SampledFrom(events.States()).Draw(t, "state"), 0)))
			case 1:
				if other != selected {
					s.send(removed(other))
				}
			case 2:
				s.press("o")
			case 3:
				s.send(awayMsg{"away"}, whole(append(services, s.service(other, events.StateFailed, 0))...))
			}

			if s.model.selected != selected || s.feed.wanted.followed != selected {
				t.Fatalf("%s was selected, now %s; followed is %s", selected, s.model.selected, s.feed.wanted.followed)
			}
		}
	})
}
