package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"

	"github.com/extactor/extactor/oci/logs"
)

// log reads what logd wrote of one service, as it grows: old segments are deleted some time.
type log struct {
	id     string
	reader *logs.Reader
	rest   []byte // an unfinished line

	attempt  uint64            // whose lines are being read
	last     map[uint64]uint64 // by attempt: the number of its last line
	broken   map[uint64]bool   // attempts of which a line is there in part
	problems []string
	doubled  int
	skipped  int // in the middle of an attempt, where no death can be the reason
}

func (h *host) openLog(id string) *log {
	h.t.Helper()

	reader, err := logs.Open(logs.In(h.run), id, 0)
	must(h.t, err)
	h.t.Cleanup(func() { reader.Close() })

	return &log{id: id, reader: reader, last: map[uint64]uint64{}, broken: map[uint64]bool{}}
}

// read takes what has come since.
func (l *log) read() error {
	buffer := make([]byte, 64<<10)

	for {
		count, err := l.reader.Read(buffer)
		l.rest = append(l.rest, buffer[:count]...)

		for {
			line, rest, found := bytes.Cut(l.rest, []byte{'\n'})
			if !found {
				break
			}

			l.line(string(line))
			l.rest = rest
		}

		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("log %q: %w", l.id, err)
		}
	}
}

// finish takes the unfinished line that a service left which nobody followed.
func (l *log) finish() error {
	err := l.read()

	if len(l.rest) > 0 {
		l.broken[l.attempt] = true
	}

	return err
}

// numbered is a line of the service. What is before it was printed by an attempt that died in the middle of a line.
var numbered = regexp.MustCompile(`^(.*)#(\d+)\.(\d+);-*$`)

func (l *log) line(text string) {
	found := numbered.FindStringSubmatch(text)
	if found == nil {
		l.problems = append(l.problems, fmt.Sprintf("%s printed %q after line %d of attempt %d", l.id, text, l.last[l.attempt], l.attempt))

		return
	}

	if found[1] != "" {
		l.broken[l.attempt] = true
	}

	attempt, _ := strconv.ParseUint(found[2], 10, 64)
	number, _ := strconv.ParseUint(found[3], 10, 64)

	if attempt < l.attempt {
		l.problems = append(l.problems, fmt.Sprintf("%s: a line of attempt %d after those of %d", l.id, attempt, l.attempt))
	}

	last := l.last[attempt]

	switch {
	case number <= last:
		l.doubled++
	case number > last+1:
		l.skipped += int(number - last - 1)
		l.problems = append(l.problems, fmt.Sprintf("%s: line %d of attempt %d after line %d", l.id, number, attempt, last))
	}

	l.attempt, l.last[attempt] = attempt, max(last, number)
}

// readAll reads all logs again and again until the context ends, so that nothing is deleted before it was read.
func readAll(ctx context.Context, all []*log) error {
	again := time.NewTicker(time.Second)
	defer again.Stop()

	for {
		for _, log := range all {
			if err := log.read(); err != nil {
				return err
			}
		}

		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}
