package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"golang.org/x/sys/unix"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// redrawEvery keeps the ages on a terminal true.
const redrawEvery = time.Second

// What a terminal is told: its other screen keeps what was there before.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J" // and hide the cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)

	return ok && isatty.IsTerminal(file.Fd())
}

// terminalSize is in columns and lines; 0 where it is no terminal, or one that does not know.
func terminalSize(out io.Writer) (width, height int) {
	if !isTerminal(out) {
		return 0, 0
	}

	size, err := unix.IoctlGetWinsize(int(out.(*os.File).Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}

	return int(size.Col), int(size.Row)
}

// watched is what a screen shows.
type watched struct {
	services map[string]*apiv1.Service
	rejected []*apiv1.RejectedFile
	single   bool // the one service that was asked for
	shown    string
}

// watchScreen keeps a terminal showing the present state, until the stream ends or somebody interrupts.
func (a *app) watchScreen(ctx context.Context, next func() (*apiv1.StatusResponse, error), single bool) error {
	var (
		shown   = &watched{services: map[string]*apiv1.Service{}, single: single}
		changes = make(chan *apiv1.StatusResponse)
		ended   = make(chan error, 1)
		tick    = time.NewTicker(redrawEvery)
		resized = make(chan os.Signal, 1)
		asked   = make(chan os.Signal, 1)
	)

	defer tick.Stop()

	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)

	signal.Notify(asked, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer signal.Stop(asked)

	go func() {
		ended <- receive(next, func(changed *apiv1.StatusResponse) error {
			select {
			case changes <- changed:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()

	fmt.Fprint(a.stdout, enterScreen)
	defer fmt.Fprint(a.stdout, leaveScreen)

	for {
		select {
		case changed := <-changes:
			shown.update(changed)
		case <-tick.C:
		case <-resized:
			shown.shown = ""
		case err := <-ended:
			return err
		case received := <-asked:
			return interrupted{received.(syscall.Signal)}
		}

		a.draw(shown)
	}
}

// interrupted ends the program by the signal that asked for it, once everything is as it was before.
type interrupted struct{ signal syscall.Signal }

// Error implements error.
func (i interrupted) Error() string { return i.signal.String() }

// code is the exit code that a shell gives a program which a signal ended.
func (i interrupted) code() int { return 128 + int(i.signal) }

func (w *watched) update(changed *apiv1.StatusResponse) {
	for _, service := range changed.GetServices() {
		w.services[service.GetId()] = service
	}

	for _, id := range changed.GetRemoved() {
		delete(w.services, id)
	}

	w.rejected = changed.GetRejected()
}

// draw writes the screen, if it is another one than before.
func (a *app) draw(shown *watched) {
	width, height := terminalSize(a.stdout)
	lines := a.frame(shown, width, height)

	text := goHome + strings.Join(lines, clearLine+"\r\n") + clearLine + clearBelow
	if text == shown.shown {
		return
	}

	shown.shown = text
	fmt.Fprint(a.stdout, text)
}

// frame lays out a screen: no line is wider, and there are no more of them than it has. Without a size nothing is cut.
func (a *app) frame(shown *watched, width, height int) []string {
	services := make([]*apiv1.Service, 0, len(shown.services))
	for _, service := range shown.services {
		services = append(services, service)
	}

	slices.SortFunc(services, func(a, b *apiv1.Service) int { return cmp.Compare(a.GetId(), b.GetId()) })

	table, note := &table{most: width}, rejectedText(shown.rejected)

	var lines []string

	if shown.single && len(services) == 1 {
		lines, note = table.lines(a.block(services[0])...), ""
	} else {
		lines = table.lines(a.rows(services)...)
	}

	room := height
	if note != "" {
		room--
	}

	if height > 0 && len(lines) > room {
		room = max(room-1, 0)
		lines = append(lines[:room], cutTo(width, fmt.Sprintf("… and %d more", len(lines)-room)))
	}

	if note != "" {
		lines = append(lines, cutTo(width, note))
	}

	if height > 0 {
		lines = lines[:min(height, len(lines))]
	}

	return lines
}

func cutTo(width int, text string) string {
	if width == 0 {
		return text
	}

	return cut(text, width)
}
