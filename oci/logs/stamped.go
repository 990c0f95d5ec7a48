package logs

import (
	"bytes"
	"time"
)

// timeFormat is how times are shown: always of the same length, so that lines stay aligned. unknownTime is as long.
const (
	timeFormat  = "2006-01-02T15:04:05.000Z"
	unknownTime = "-                       "
)

// appendTime appends a time as it stands before a line, in UTC.
func appendTime(text []byte, at time.Time) []byte {
	if at.IsZero() {
		text = append(text, unknownTime...)
	} else {
		text = at.UTC().AppendFormat(text, timeFormat)
	}
	return append(text, ' ')
}

// stamped reads a log with the time at which each line began to arrive before it.
type stamped struct {
	reader     *Reader
	arrivals   arrivals
	input      []byte
	output     bytes.Buffer
	withinLine bool
}

func newStamped(reader *Reader) *stamped {
	return &stamped{reader: reader, input: make([]byte, 32<<10)}
}

// Close implements io.Closer.
func (s *stamped) Close() error {
	s.arrivals.close()
	return s.reader.Close()
}

// Read implements io.Reader.
func (s *stamped) Read(p []byte) (int, error) {
	for s.output.Len() == 0 {
		n, err := s.reader.Read(s.input)
		if n == 0 && err != nil {
			return 0, err
		}
		s.stamp(s.input[:n], s.reader.Cursor()-uint64(n))
	}
	return s.output.Read(p)
}

// stamp takes what was read of one segment.
func (s *stamped) stamp(text []byte, cursor uint64) {
	s.arrivals.of(s.reader, cursor)
	for line := range bytes.Lines(text) {
		if !s.withinLine {
			s.output.Write(appendTime(s.output.AvailableBuffer(), s.arrivals.at(cursor)))
		}
		s.output.Write(line)
		s.withinLine = line[len(line)-1] != '\n'
		cursor += uint64(len(line))
	}
}
