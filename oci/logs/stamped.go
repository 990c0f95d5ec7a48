package logs

import "bytes"

// timeFormat is how times are shown: always of the same length, so that lines stay aligned. unknownTime is as long.
const (
	timeFormat  = "2006-01-02T15:04:05.000Z"
	unknownTime = "-                       "
)

// stamped reads a log with the time at which each line began to arrive before it, in UTC.
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
	if read := (segment{s.reader.directory, s.reader.base}); s.arrivals.file == nil || s.arrivals.base != read.base {
		s.arrivals.at(cursor) // the last record of the segment before may be all that tells of this one
		s.arrivals.open(read, cursor)
		if s.arrivals.at(cursor).IsZero() {
			s.arrivals.earlier(read.directory)
		}
	}
	for line := range bytes.Lines(text) {
		if !s.withinLine {
			s.output.Write(s.time(cursor))
			s.output.WriteByte(' ')
		}
		s.output.Write(line)
		s.withinLine = line[len(line)-1] != '\n'
		cursor += uint64(len(line))
	}
}

func (s *stamped) time(cursor uint64) []byte {
	at := s.arrivals.at(cursor)
	if at.IsZero() {
		return []byte(unknownTime)
	}
	return at.UTC().AppendFormat(s.output.AvailableBuffer(), timeFormat)
}
