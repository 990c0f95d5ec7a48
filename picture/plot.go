package picture

import (
	"fmt"
	"strings"
	"time"

	"github.com/extactor/extactor/events"
)

// PlotOptions say what of a boot is drawn.
type PlotOptions struct {
	Host         string        // name of the machine; may be empty
	Service      string        // whose critical path is marked; empty: that of the service that came up last
	Length       time.Duration // how much of the boot is drawn; 0: until the last service came up, and a little more
	Dependencies bool          // draw what waited for what
}

// Plot draws a boot as SVG: a row for each service and for each condition that somebody waited for, over time.
func Plot(boot Boot, options PlotOptions) string {
	plot := newPlot(boot, options)
	plot.heading()
	plot.axis()

	for i := range boot.Rows {
		plot.row(i)
	}

	if options.Dependencies {
		plot.dependencies()
	}

	plot.critical()
	plot.steps()

	return plot.canvas.document(plot.width, plot.height, plot.title(), plot.summary()+" "+plot.chainText())
}

// plot is the drawing of one boot.
type plot struct {
	canvas
	boot    Boot
	options PlotOptions
	target  string // whose critical path is marked
	chain   []Link
	links   map[rowKey]Link
	shown   map[Phase]bool
	until   int64 // end of the time that is drawn
	step    int64 // between two marks of the axis

	width, height         float64
	left, right           float64 // edges of the time
	top, bottom           float64 // edges of the rows
	rowHeight, bar, names float64
	restarts              bool // there is a column of them
}

type rowKey struct {
	id        string
	condition bool
}

const (
	margin      = 24.0
	timeWidth   = 880.0
	column      = 84.0 // of figures at the right
	smallColumn = 64.0
	longestName = 250.0
	manyRows    = 60 // from here on they stand closer
	lineHeight  = 18.0
)

func newPlot(boot Boot, options PlotOptions) *plot {
	p := &plot{boot: boot, options: options, target: options.Service, rowHeight: 24, bar: 14, links: map[rowKey]Link{}, shown: map[Phase]bool{}}
	if p.target == "" {
		p.target = boot.Last()
	}

	p.chain = boot.Critical(p.target)
	for _, link := range p.chain {
		p.links[rowKey{link.ID, link.Condition}] = link
	}

	if len(boot.Rows) >= manyRows {
		p.rowHeight, p.bar = 18, 11
	}

	p.until = p.limit()
	p.step = tick(p.until - boot.Begin)

	for _, row := range boot.Rows {
		p.names = max(p.names, widthOf(clean(label(row)), 12)*1.05)
		p.restarts = p.restarts || row.Restarts > 0

		for _, span := range row.Spans {
			p.shown[span.Phase] = p.shown[span.Phase] || span.From < p.until
		}

		for _, mark := range row.Marks {
			shown := markEnded
			if mark.Bad {
				shown = markFailed
			}

			p.shown[shown] = p.shown[shown] || mark.At < p.until
		}
	}

	p.names = min(max(p.names, 80), longestName)
	p.left = margin + p.names + 18
	p.right = p.left + timeWidth
	p.width = p.right + 2*column + margin

	if p.restarts {
		p.width += smallColumn
	}

	p.width = max(p.width, p.legend(false)+margin)
	p.top = 148
	p.bottom = p.top + p.rowHeight*float64(len(boot.Rows))
	p.height = p.bottom + 32 + margin

	if len(p.chain) > 0 {
		p.height += 34 + lineHeight*float64(len(p.chain)+1)
	}

	return p
}

// limit is where the drawing ends.
func (p *plot) limit() int64 {
	begin, until := p.boot.Begin, p.boot.End

	if p.options.Length > 0 {
		until = min(until, begin+int64(p.options.Length))
	} else {
		settled := p.boot.Settled()
		if row := p.boot.service(p.options.Service); row != nil {
			settled = max(settled, row.Up)
		}

		until = min(until, settled+max((settled-begin)/5, int64(100*time.Millisecond)))
	}

	return max(until, begin+int64(time.Millisecond))
}

// x is where a moment stands.
func (p *plot) x(at int64) float64 {
	share := float64(at-p.boot.Begin) / float64(p.until-p.boot.Begin)

	return p.left + timeWidth*min(max(share, 0), 1)
}

// y is the middle of a row.
func (p *plot) y(index int) float64 { return p.top + p.rowHeight*(float64(index)+0.5) }

// label names a row for people.
func label(row Row) string {
	if row.Condition {
		return conditionLabel(row.ID)
	}

	return row.ID
}

// conditionLabel words the key of a condition.
func conditionLabel(key string) string {
	kind, name, _ := strings.Cut(key, ":")
	switch kind {
	case "path":
		return "file " + name
	case "environmentFile":
		return "environment file " + name
	case "network":
		return "network " + name
	case "time":
		return "time sync"
	case "configuration":
		return "configuration " + name
	default:
		return key
	}
}

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

// mark shows the end of a task.
func (p *plot) mark(x, y float64, bad bool) {
	class := "muted"
	if bad {
		class = "bad"
	}

	p.path(class, "M%s %sl4 5l-4 5l-4 -5z", x, y-5)
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

func (p *plot) row(index int) {
	row, y := p.boot.Rows[index], p.y(index)
	_, critical := p.links[rowKey{row.ID, row.Condition}]

	class := "ink"
	switch {
	case critical:
		class = "accent strong"
	case row.Condition:
		class = "muted"
	case len(row.Spans) > 0 && row.Spans[len(row.Spans)-1].Phase == events.StateFailed:
		class = "bad"
	}

	p.open("g", attribute{"class", "row"})
	p.content("title", rowText(p.boot, row))
	p.text(margin, y+4, class, "", shorten(label(row), p.names/1.02, 12))

	p.bars(row, y)
	p.marks(row, y)
	p.figures(row, y, class)
	p.close("g")
}

// thin is how wide a part of a bar is drawn at least. A service that crashes for days has more parts than can be seen:
// those within so much are drawn as one, in the colour of the longest of them.
const thin = 1.2

func (p *plot) bars(row Row, y float64) {
	begin, longest := 0.0, Span{}

	for i, span := range row.Spans {
		if span.From >= p.until {
			break
		}

		switch {
		case longest.Phase == "":
			begin, longest = p.x(span.From), span
		case span.To-span.From > longest.To-longest.From:
			longest = span
		}

		last := i+1 == len(row.Spans) || row.Spans[i+1].From >= p.until
		wide := !last && p.x(row.Spans[i+1].To)-p.x(row.Spans[i+1].From) >= thin

		if end := p.x(span.To); end-begin >= thin || wide || last {
			p.box(min(begin, p.right-thin), y-p.bar/2, max(end-begin, thin), p.bar, 0, phaseClass(longest.Phase))

			longest = Span{}
		}
	}
}

// marks draws the ends of tasks, as far as they do not cover each other.
func (p *plot) marks(row Row, y float64) {
	const apart = 4

	free := map[bool]float64{}

	for _, mark := range row.Marks {
		if x := p.x(mark.At); mark.At < p.until && x >= free[mark.Bad] {
			p.mark(x, y, mark.Bad)

			free[mark.Bad] = x + apart
		}
	}
}

// figures fills the columns at the right.
func (p *plot) figures(row Row, y float64, class string) {
	class = strings.Replace(class, "ink", "muted", 1) + " small"

	up, own := "not up", ""
	if row.Up != Never {
		up, own = span(row.Up-p.boot.Begin), span(row.Up-row.begun())
	} else if row.Condition {
		up = "not met"
	} else if last := len(row.Spans) - 1; last >= 0 {
		up = string(row.Spans[last].Phase)
	}

	if row.Condition {
		own = ""
	}

	p.text(p.right+column, y+4, class, anchorEnd, shorten(up, column-4, 11))
	p.text(p.right+2*column, y+4, class, anchorEnd, own)

	if row.Restarts > 0 {
		p.text(p.right+2*column+smallColumn, y+4, class, anchorEnd, fmt.Sprint(row.Restarts))
	}
}

// begun is when a service could begin: since then the time is its own.
func (r Row) begun() int64 {
	if r.Ready != Never {
		return r.Ready
	}

	if len(r.Spans) > 0 {
		return r.Spans[0].From
	}

	return r.Up
}

// rowText tells the whole of a row in words.
func rowText(boot Boot, row Row) string {
	const most = 12

	lines := []string{label(row)}

	for i, phase := range row.Spans {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(row.Spans)-most))

			break
		}

		line := fmt.Sprintf("%s from %s for %s", phase.Phase, span(phase.From-boot.Begin), span(phase.To-phase.From))
		if phase.Note != "" {
			line += ": " + shorten(phase.Note, 160, 1)
		}

		lines = append(lines, line)
	}

	return strings.Join(lines, "; ")
}
