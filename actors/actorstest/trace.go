package actorstest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Trace is what happened, in order, as text. Two runs of one seed have the same trace, byte for byte.
//
// Goroutines that run in the same instant have no order among themselves, so what they note is kept apart and sorted
// before the next message is delivered.
type Trace struct {
	mu    sync.Mutex
	begin time.Time
	text  strings.Builder
	loose []looseLine
	muted bool
}

type looseLine struct {
	at   time.Duration
	text string
}

func newTrace() *Trace { return &Trace{begin: time.Now()} }

// note adds a line from the goroutine that delivers messages.
func (t *Trace) note(format string, values ...any) {
	if t.muted {
		return
	}

	t.mu.Lock()
	defer t.mu.Unlock()

	t.write(time.Since(t.begin), fmt.Sprintf(format, values...))
}

// noteLoose adds a line from any other goroutine.
func (t *Trace) noteLoose(format string, values ...any) {
	if t.muted {
		return
	}

	t.mu.Lock()
	defer t.mu.Unlock()

	t.loose = append(t.loose, looseLine{time.Since(t.begin), fmt.Sprintf(format, values...)})
}

// settle puts loose lines in order; called while every goroutine is blocked.
func (t *Trace) settle() {
	if t.muted {
		return
	}

	t.mu.Lock()
	defer t.mu.Unlock()

	slices.SortFunc(t.loose, func(a, b looseLine) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.text, b.text))
	})

	for _, line := range t.loose {
		t.write(line.at, line.text)
	}

	t.loose = t.loose[:0]
}

func (t *Trace) write(at time.Duration, line string) {
	fmt.Fprintf(&t.text, "%14.9f %s\n", at.Seconds(), line)
}

// String returns the trace.
func (t *Trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()

	return t.text.String()
}
