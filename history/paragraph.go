package history

import (
	"fmt"
	"strings"

	"github.com/extactor/extactor/events"
)

// Text is the explanation in one paragraph. clock words a moment.
func (e Explanation) Text(clock func(events.Moment) string) string {
	var out strings.Builder

	fmt.Fprintf(&out, "At %s %s", clock(e.At), e.Cause.Sentence(clock))
	tell(&out, e.Cause.Because, ", because ", clock)
	out.WriteString(".")

	return out.String()
}

// tell goes on with what led to what was told last: after a word that joins it, and then in sentences of their own.
func tell(out *strings.Builder, causes []*Cause, join string, clock func(events.Moment) string) {
	for i, cause := range causes {
		if i > 0 {
			join = "; and "
		}

		out.WriteString(join + cause.Sentence(clock))

		next := ". That was because "
		if cause.Seq == 0 || len(cause.Because) > 0 && cause.Because[0].Seq == 0 {
			next = "; " // of several records: the reason is another one
		}

		tell(out, cause.Because, next, clock)
	}
}

// Sentence is the cause with its time, as clock words that, without what led to it.
func (c *Cause) Sentence(clock func(events.Moment) string) string {
	text := c.Text

	switch {
	case c.At == (events.Moment{}):
	case c.Lasting:
		text += " since " + clock(c.At)
	default:
		text += " at " + clock(c.At)
	}

	if c.Then != "" {
		text += ", " + c.Then
	}

	return text
}
