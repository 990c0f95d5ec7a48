package logs

import (
	"bytes"
	"errors"
	"io"
	"time"
)

// longestLine is where a line is cut in two in what is read of several logs, so that one without an end is shown too.
const longestLine = 64 << 10

// merged reads several logs as one, line by line, each with the service before it: of those that are there the one that
// arrived first.
type merged struct {
	sources []*source
	stamps  bool
	output  bytes.Buffer
}

// source is one of the logs.
type source struct {
	id       string
	reader   *Reader
	arrivals arrivals
	text     []byte    // that was read and not handed on yet
	cursor   uint64    // of its first byte
	at       time.Time // when that arrived
	idle     bool      // there was nothing more a moment ago
}

func newMerged(ids []string, readers []*Reader, stamps bool) *merged {
	m := &merged{stamps: stamps}
	for number, reader := range readers {
		m.sources = append(m.sources, &source{id: ids[number], reader: reader, cursor: reader.cursor})
	}
	return m
}

// Close implements io.Closer.
func (m *merged) Close() error {
	var failed error
	for _, source := range m.sources {
		source.arrivals.close()
		failed = errors.Join(failed, source.reader.Close())
	}
	return failed
}

// Read implements io.Reader.
func (m *merged) Read(p []byte) (int, error) {
	for m.output.Len() == 0 {
		if err := m.fill(len(p)); err != nil {
			return 0, err
		}
	}
	return m.output.Read(p)
}

// fill takes the lines that are there, so many bytes of them, or waits for more. Looking whether there are any more is dear:
// it is done once for each log that has none.
func (m *merged) fill(enough int) error {
	for _, source := range m.sources {
		source.idle = false
	}
	for m.output.Len() < enough {
		var first *source
		var line []byte
		for _, source := range m.sources {
			found, err := source.line()
			if err != nil {
				return err
			}
			if found != nil && (first == nil || source.at.Before(first.at)) {
				first, line = source, found
			}
		}
		if first == nil {
			break
		}
		m.take(first, line)
	}
	if m.output.Len() > 0 {
		return nil
	}
	for _, source := range m.sources {
		if source.reader.wait != nil {
			return source.reader.wait() // for any of them
		}
	}
	return io.EOF
}

// take hands a line on.
func (m *merged) take(from *source, line []byte) {
	if m.stamps {
		m.output.Write(appendTime(m.output.AvailableBuffer(), from.at))
	}
	m.output.WriteString(from.id)
	m.output.WriteString(": ")
	m.output.Write(line)
	if line[len(line)-1] != '\n' {
		m.output.WriteByte('\n')
	}
	from.text, from.cursor = from.text[len(line):], from.cursor+uint64(len(line))
	if len(from.text) > 0 {
		from.at = from.arrivals.at(from.cursor)
	}
}

// line returns the next line, or as much of it as there will be, without waiting; nil where it is yet to come.
func (s *source) line() ([]byte, error) {
	for {
		if end := bytes.IndexByte(s.text, '\n') + 1; end > 0 {
			return s.text[:min(end, longestLine)], nil
		}
		if len(s.text) >= longestLine {
			return s.text[:longestLine], nil
		}
		if s.idle {
			break
		}
		if err := s.read(); err == io.EOF {
			s.idle = true
		} else if err != nil {
			return nil, err
		}
	}
	if s.reader.wait != nil || len(s.text) == 0 {
		return nil, nil
	}
	return s.text, nil
}

// read reads more of the log, if there is more.
func (s *source) read() error {
	if err := s.reader.settle(); err != nil {
		return err
	}
	more := make([]byte, longestLine/2)
	n, err := s.reader.read(more)
	if n == 0 {
		return err
	}
	begins := s.reader.cursor - uint64(n)
	if at := s.arrivals.of(s.reader, begins); len(s.text) == 0 {
		s.cursor, s.at = begins, at
	}
	s.text = append(s.text, more[:n]...)
	return nil
}
