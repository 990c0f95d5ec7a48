package picture

import (
	"time"
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
