package picture

import (
	"fmt"

	"github.com/extactor/extactor/events"
)

func (p *plot) title() string {
	title := "Boot"
	if p.options.Host != "" {
		title += " of " + p.options.Host
	}

	if p.boot.WallNS != 0 {
		title += " at " + wallText(p.boot.WallNS)
	}

	return title
}

// summary says in one line how the boot went.
func (p *plot) summary() string {
	services, up, restarts := 0, 0, 0

	for _, row := range p.boot.Rows {
		if row.Condition {
			continue
		}

		services++
		restarts += row.Restarts

		if row.Up != Never {
			up++
		}
	}

	text := fmt.Sprintf("%s, %d of them came up", count(services, "service"), up)
	if up > 0 {
		text += fmt.Sprintf(", the last one after %s", span(p.boot.Settled()-p.boot.Begin))
	}

	if restarts > 0 {
		text += "; " + count(restarts, "restart")
	}

	if p.boot.Gaps > 0 {
		text += "; records were lost, so parts are missing"
	}

	return text + fmt.Sprintf(". 0 is %s after the kernel started.", span(p.boot.Begin))
}

func count(number int, what string) string {
	if number == 1 {
		return "1 " + what
	}

	return fmt.Sprintf("%d %ss", number, what)
}

// legend are the phases in the order in which a service goes through them.
var legend = []struct {
	phase Phase
	text  string
}{
	{events.StateWaiting, "Waiting"},
	{PhaseRetry, "Waiting to retry"},
	{events.StatePreparing, "Preparing"},
	{PhaseHealth, "Running, not healthy"},
	{events.StateRunning, "Running"},
	{events.StateStopping, "Stopping"},
	{events.StateFinished, "Finished"},
	{events.StateFailed, "Failed"},
	{events.StateSkipped, "Skipped"},
	{PhaseUnmet, "Condition unmet"},
	{PhaseMet, "Condition met"},
}

// legend explains what is in the picture, and returns where it ends; it is drawn only where draw is set.
func (p *plot) legend(draw bool) float64 {
	x := margin

	entry := func(width float64, text string, sign func()) {
		if draw {
			sign()
			p.text(x+width+6, 86, "muted small", "", text)
		}

		x += width + 6 + widthOf(text, 11) + 16
	}

	for _, known := range legend {
		if p.shown[known.phase] {
			entry(14, known.text, func() { p.box(x, 76, 14, 12, 2, phaseClass(known.phase)) })
		}
	}

	if p.shown[markFailed] {
		entry(8, "task failed", func() { p.mark(x+4, 82, true) })
	}

	if p.shown[markEnded] {
		entry(8, "task ended", func() { p.mark(x+4, 82, false) })
	}

	if len(p.chain) > 0 {
		entry(14, "critical path", func() { p.box(x, 75.5, 14, 13, 2, "accent-line") })
	}

	return x
}

// Marks among the phases of the legend.
const (
	markFailed Phase = "mark of a failure"
	markEnded  Phase = "mark of an end"
)

func (p *plot) heading() {
	p.text(margin, 38, "ink title", "", shorten(p.title(), p.width-2*margin, 18))
	p.text(margin, 60, "muted", "", shorten(p.summary(), p.width-2*margin, 12))
	p.legend(true)
}

// axis draws the marks of time above and below the rows, the lines between them, and the starts of the daemon.
func (p *plot) axis() {
	for i := range p.boot.Rows {
		if i%2 == 0 {
			p.box(margin-8, p.y(i)-p.rowHeight/2, p.width-2*margin+16, p.rowHeight, 3, "panel")
		}
	}

	for at := int64(0); at <= p.until-p.boot.Begin; at += p.step {
		x := p.x(p.boot.Begin + at)
		p.line(x, p.top-6, x, p.bottom+6, "grid")
		p.text(x, p.top-12, "muted small", anchorMiddle, span(at))
		p.text(x, p.bottom+20, "muted small", anchorMiddle, span(at))
	}

	p.daemons()

	y := p.top - 12
	p.text(margin, y, "muted small", "", "Service or condition")
	p.text(p.right+column, y, "muted small", anchorEnd, "up after")
	p.text(p.right+2*column, y, "muted small", anchorEnd, "own time")

	if p.restarts {
		p.text(p.right+2*column+smallColumn, y, "muted small", anchorEnd, "restarts")
	}
}

// daemons draws where the daemon began again; words that would run into each other are left out.
func (p *plot) daemons() {
	const words = "daemon restarted"

	free := p.left

	for i, at := range p.boot.Daemon {
		if i == 0 || at > p.until {
			continue
		}

		x := p.x(at)
		p.line(x, p.top-6, x, p.bottom+6, "calm-line dashed")

		if half := widthOf(words, 10) / 2; x-half >= free {
			p.text(x, p.top-26, "muted tiny", anchorMiddle, words)
			free = x + half
		}
	}
}
