package logs

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// TimestampFormat is how Stamped writes times: always of the same length, so that lines stay aligned.
const TimestampFormat = "2006-01-02T15:04:05.000Z"

// Since returns the cursor of the first byte that arrived at that time or later, by the wall clock of then; the end
// where there is none. A byte arrives when logd moves it.
func Since(dir Dir, id string, t time.Time) (uint64, error) {
	end, err := Cursor(dir, id)
	if err != nil {
		return 0, err
	}
	segments, err := listSegments(dir.segments(id))
	if err != nil {
		return 0, fmt.Errorf("cannot search log %q: %w", id, err)
	}
	for _, segment := range segments {
		file, err := os.Open(segment.indexPath())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("cannot search log %q: %w", id, err)
		}
		records := bufio.NewReader(file)
		for found := (arrival{}); found.read(records) == nil; {
			if !found.time.Before(t) {
				file.Close()
				return min(found.cursor, end), nil
			}
		}
		file.Close()
	}
	return end, nil
}

// arrival is one record of an index.
type arrival struct {
	cursor uint64
	time   time.Time
}

func (a *arrival) read(from io.Reader) error {
	var record [indexRecord]byte
	if _, err := io.ReadFull(from, record[:]); err != nil {
		return err
	}
	a.cursor = binary.LittleEndian.Uint64(record[:8])
	a.time = time.Unix(0, int64(binary.LittleEndian.Uint64(record[8:])))
	return nil
}

// arrivals looks up, in one segment, when bytes arrived. Cursors must be asked for in ascending order.
type arrivals struct {
	file    *os.File // nil where the segment has no index
	base    uint64
	offset  int64 // of the record after next
	next    arrival
	loaded  bool // next is a record that was not reached yet
	present time.Time
}

func (a *arrivals) open(of segment) {
	a.close()
	a.file, _ = os.Open(of.indexPath()) // without one, lines have the time of the last line before
	a.base, a.offset, a.loaded = of.base, 0, false
}

func (a *arrivals) close() {
	if a.file != nil {
		a.file.Close()
		a.file = nil
	}
}

func (a *arrivals) at(cursor uint64) time.Time {
	for a.file != nil {
		if !a.loaded {
			// At the end of the index it is tried again at the next call: logd may have added to it.
			if a.next.read(io.NewSectionReader(a.file, a.offset, indexRecord)) != nil {
				break
			}
			a.offset += indexRecord
			a.loaded = true
		}
		if a.next.cursor > cursor {
			break
		}
		a.present, a.loaded = a.next.time, false
	}
	return a.present
}

// Stamped returns a reader of the same bytes with the time at which each line began to arrive before it, in UTC. The
// reader that is given must not be used any more but to close it, after the one that is returned.
func Stamped(reader *Reader) io.ReadCloser {
	return &stamper{reader: reader, input: make([]byte, 32<<10), lineBegins: true}
}

type stamper struct {
	reader     *Reader
	arrivals   arrivals
	input      []byte
	output     bytes.Buffer
	lineBegins bool
}

func (s *stamper) Close() error {
	s.arrivals.close()
	return nil
}

func (s *stamper) Read(p []byte) (int, error) {
	for s.output.Len() == 0 {
		n, err := s.reader.Read(s.input)
		if n == 0 && err != nil {
			return 0, err
		}
		s.stamp(s.input[:n], s.reader.Cursor()-uint64(n))
	}
	return s.output.Read(p)
}

func (s *stamper) stamp(text []byte, cursor uint64) {
	if read := (segment{s.reader.directory, s.reader.base}); s.arrivals.file == nil || s.arrivals.base != read.base {
		s.arrivals.open(read)
	}
	for line := range bytes.Lines(text) {
		if s.lineBegins {
			stamp := s.arrivals.at(cursor).UTC().AppendFormat(s.output.AvailableBuffer(), TimestampFormat)
			s.output.Write(append(stamp, ' '))
		}
		s.output.Write(line)
		s.lineBegins = line[len(line)-1] == '\n'
		cursor += uint64(len(line))
	}
}
