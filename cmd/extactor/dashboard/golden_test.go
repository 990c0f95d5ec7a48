package dashboard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/cockroachdb/datadriven"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// TestScreens compares whole screens. Rewrite with: go test ./cmd/extactor/dashboard -run TestScreens -rewrite
func TestScreens(t *testing.T) {
	datadriven.Walk(t, "testdata/screens", func(t *testing.T, path string) {
		var s *screen

		datadriven.RunTest(t, path, func(t *testing.T, data *datadriven.TestData) string {
			t.Helper()

			if data.Cmd == "begin" {
				width, height := 80, 24
				if data.HasArg("size") {
					data.ScanArgs(t, "size", &width, &height)
				}

				s = newScreen(width, height, data.HasArg("ascii"))
			} else {
				s.play(t, data)
			}

			s.mustFit(t)

			if data.HasArg("quiet") {
				return ""
			}

			return s.text()
		})
	})
}

// play does what a line of a script says.
func (s *screen) play(t *testing.T, data *datadriven.TestData) {
	t.Helper()

	switch data.Cmd {
	case "household":
		s.send(s.household())
	case "many":
		var many []*apiv1.Service
		for i := range 500 {
			many = append(many, s.service(fmt.Sprintf("ext-worker-%03d", i), events.StateRunning, time.Duration(i)*time.Minute))
		}

		s.send(whole(many...))
	case "rejected":
		picture := s.household()
		picture.response.Rejected = []*apiv1.RejectedFile{{File: "/usr/local/etc/containers/broken.yaml", Positions: []string{"2:3"}}}
		s.send(picture)
	case "use":
		s.send(s.used("ext-hello-world", time.Second, 12_700_000))
		s.pass(2 * time.Second)
		s.send(s.used("ext-hello-world", time.Second+48*time.Millisecond, 12_900_000))
	case "events":
		s.send(s.happen(s.model.selected, strings.Split(data.Input, "\n")...))
	case "log":
		s.send(logMsg{id: s.model.selected, fresh: true, text: []byte(strings.ReplaceAll(data.Input, `\e`, "\x1b") + "\n")})
	case "press":
		for _, argument := range data.CmdArgs {
			if argument.Key != "quiet" {
				s.press(argument.Key)
			}
		}
	case "away":
		s.send(awayMsg{"no daemon answers at /run/extactor/extactor.sock"})
	case "pass":
		var duration string

		data.ScanArgs(t, "time", &duration)

		passed, err := time.ParseDuration(duration)
		if err != nil {
			t.Fatal(err)
		}

		s.pass(passed)
	case "resize":
		var width, height int

		data.ScanArgs(t, "size", &width, &height)
		s.send(tea.WindowSizeMsg{Width: width, Height: height})
	default:
		t.Fatalf("%s: %q is not known", data.Pos, data.Cmd)
	}
}
