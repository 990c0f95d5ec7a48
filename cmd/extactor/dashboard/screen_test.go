package dashboard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

const testBoot = "0d47fd31-93c2-4227-a0d3-4d9a78757244"

// fakeFeed remembers what the model wants of the daemon.
type fakeFeed struct {
	wanted wants
	orders []order
}

func (f *fakeFeed) want(wants wants) { f.wanted = wants }

func (f *fakeFeed) give(order order) answerMsg {
	f.orders = append(f.orders, order)

	return answerMsg{text: fmt.Sprintf("Service %q has been told to %s", order.id, order.action)}
}

// screen is a model without a terminal.
type screen struct {
	model *Model
	feed  *fakeFeed
	clock Clock
	quit  bool
}

// newScreen is 2 hours after boot.
func newScreen(width, height int, ascii bool) *screen {
	s := &screen{feed: &fakeFeed{}, clock: Clock{WallNS: 1e18, BootNS: int64(2 * time.Hour), BootID: testBoot}}
	s.model = newModel(Options{
		Where: "/run/extactor/extactor.sock", Node: "node-1", ASCII: ascii, Clock: func() Clock { return s.clock },
	}, s.feed)
	s.send(tea.WindowSizeMsg{Width: width, Height: height})

	return s
}

// send gives messages to the model, and carries out what follows; nothing that waits does.
func (s *screen) send(messages ...tea.Msg) {
	for _, message := range messages {
		_, command := s.model.Update(message)
		if command == nil {
			continue
		}

		switch message.(type) {
		case tickMsg, tea.WindowSizeMsg: // what follows is for the terminal, or later
			continue
		}

		switch answer := command().(type) {
		case tea.QuitMsg:
			s.quit = true
		default:
			s.send(answer)
		}
	}
}

// press presses keys by their names; any other text is typed.
func (s *screen) press(names ...string) {
	special := map[string]rune{
		"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
		"home": tea.KeyHome, "end": tea.KeyEnd, "enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "backspace": tea.KeyBackspace,
	}

	for _, name := range names {
		if code, found := special[name]; found {
			s.send(tea.KeyPressMsg{Code: code})

			continue
		}

		if letter, found := strings.CutPrefix(name, "ctrl+"); found {
			s.send(tea.KeyPressMsg{Code: rune(letter[0]), Mod: tea.ModCtrl})

			continue
		}

		for _, char := range name {
			s.send(tea.KeyPressMsg{Code: char, Text: string(char)})
		}
	}
}

func (s *screen) pass(duration time.Duration) {
	s.clock.BootNS += int64(duration)
	s.clock.WallNS += int64(duration)
	s.send(tickMsg{})
}

// ago is a moment of this boot. Its wall clock is nonsense: in early boot it often is.
func (s *screen) ago(duration time.Duration) *apiv1.Moment {
	return &apiv1.Moment{WallNs: 5, BootNs: s.clock.BootNS - int64(duration), BootId: testBoot}
}

// text is the screen without colours, a bar at the end of each line so that blanks are seen.
func (s *screen) text() string {
	var text strings.Builder

	for _, line := range s.model.frame() {
		text.WriteString(ansi.Strip(line) + "|\n")
	}

	return text.String()
}

// misfit tells what is wrong with the size or the content of the screen.
func (s *screen) misfit() string {
	lines := s.model.frame()
	if len(lines) != max(s.model.height, 0) && s.model.width > 0 {
		return fmt.Sprintf("%d lines on a screen of %d", len(lines), s.model.height)
	}

	for i, line := range lines {
		if width := ansi.StringWidth(line); width > s.model.width {
			return fmt.Sprintf("line %d has %d columns of %d: %q", i, width, s.model.width, line)
		}

		if plain := ansi.Strip(line); strings.ContainsFunc(plain, func(char rune) bool { return char < ' ' || char >= 0x7f && char < 0xa0 }) {
			return fmt.Sprintf("line %d has control characters: %q", i, plain)
		}
	}

	return ""
}

// service makes one in a state for so long; running ones have a process.
func (s *screen) service(id, state string, since time.Duration) *apiv1.Service {
	service := &apiv1.Service{
		Id: id, State: state, Desired: "started", Since: s.ago(since), Health: &apiv1.Health{Unknown: true}, Attempt: 1,
		Source: "/usr/local/etc/containers/" + strings.TrimPrefix(id, "ext-") + ".yaml",
		Events: []*apiv1.ServiceEvent{{State: state, Message: "It is " + state, At: s.ago(since)}},
	}
	if state == events.StateRunning {
		service.Pid = 4242
	}

	return service
}

func whole(services ...*apiv1.Service) pictureMsg {
	return pictureMsg{whole: true, response: &apiv1.StatusResponse{Services: services}}
}

func changed(services ...*apiv1.Service) pictureMsg {
	return pictureMsg{response: &apiv1.StatusResponse{Services: services}}
}

func removed(ids ...string) pictureMsg {
	return pictureMsg{response: &apiv1.StatusResponse{Removed: ids}}
}

// household is what an ordinary node may have, with some trouble.
func (s *screen) household() pictureMsg {
	link := s.service("containerd", events.StateRunning, 2*time.Hour)
	link.Health, link.Pid, link.Source = &apiv1.Health{Healthy: true}, 0, ""

	sick := s.service("ext-nut-client", events.StateRunning, 80*time.Minute)
	sick.Health = &apiv1.Health{LastMessage: "connect: connection refused"}

	crashing := s.service("ext-fleet-agent", events.StateWaiting, 4*time.Second)
	crashing.Problem, crashing.Attempt, crashing.Restarts = "exited with code 3", 18, 17
	crashing.NextRetry = s.ago(-26 * time.Second)
	crashing.LastExit = &apiv1.Exit{Known: true, Code: 3}
	crashing.Events[0].Message = "Going to restart in 30s: exited with code 3"

	waiting := s.service("ext-iscsid", events.StateWaiting, 3*time.Minute)
	waiting.WaitingFor = []*apiv1.Dependency{{Key: "path:/dev/zfs", Text: `file "/dev/zfs" to exist`, Since: s.ago(3 * time.Minute)}}
	waiting.Events[0].Message = `Waiting for file "/dev/zfs" to exist`

	long := s.service("ext-the-one-with-the-very-long-name-of-all-the-services-日本語-here", events.StateFailed, 26*time.Hour)
	long.FileProblem = "restart must be always, never or untilSuccess"

	stopped := s.service("ext-tailscale", events.StateFinished, time.Minute)
	stopped.Desired = "stopped"

	return whole(link, s.service("ext-hello-world", events.StateRunning, 72*time.Minute), sick, crashing, waiting, long, stopped)
}

// used is a reading of the counters at this moment.
func (s *screen) used(id string, cpu time.Duration, memory uint64) usageMsg {
	return usageMsg{ids: []string{id}, response: &apiv1.StatsResponse{
		Now: s.ago(0), Stats: []*apiv1.ServiceStat{{Id: id, CpuNs: uint64(cpu), MemoryBytes: memory}},
	}}
}

func (s *screen) happen(id string, messages ...string) eventsMsg {
	message := eventsMsg{id: id, fresh: true}
	for i, text := range messages {
		message.records = append(message.records, &apiv1.EventRecord{
			Service: id, State: events.StateRunning, Message: text, At: s.ago(time.Duration(len(messages)-i) * 10 * time.Second),
		})
	}

	return message
}

// mustFit fails where something on the screen is too large.
func (s *screen) mustFit(t *testing.T) {
	t.Helper()

	if misfit := s.misfit(); misfit != "" {
		t.Error(misfit)
	}
}
