package logs

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// A line has the time at which it began to arrive. Where the index does not say, it is that of an earlier line. A line of
// which only a part arrived in the time that is asked for is shown as a whole: a service that ends within a line leaves one
// to the next, which goes on with it.

// arrival is one record of an index.
type arrival struct {
	cursor uint64
	wallNS int64
}

// firstArrival decodes the first record of a block.
func firstArrival(block []byte) arrival {
	return arrival{binary.LittleEndian.Uint64(block[:8]), int64(binary.LittleEndian.Uint64(block[8:indexRecord]))}
}

// since returns the cursor of the first line of which anything arrived at a time or later, by the clock of then; the end
// where there is none. Lines are not kept back where nothing says that they are older.
func since(directory string, t time.Time) (uint64, error) {
	start, end, err := bounds(directory)
	if err != nil {
		return 0, err
	}
	from, told, found := end, false, false
	err = eachArrival(directory, func(one arrival) bool {
		told = true
		if one.wallNS < t.UnixNano() {
			return true
		}
		from, found = one.cursor, true
		return false
	})
	switch {
	case err != nil || !told:
		return start, err
	case !found:
		return end, nil
	default:
		return lineOf(directory, min(from, end), start)
	}
}

// until returns the cursor behind the last line of which anything arrived up to a time, by the clock of then: to the
// millisecond, as times are shown.
func until(directory string, t time.Time) (uint64, error) {
	start, end, err := bounds(directory)
	if err != nil {
		return 0, err
	}
	late := t.Truncate(time.Millisecond).Add(time.Millisecond).UnixNano()
	counts, behind := true, end // the bytes of the last record
	err = eachArrival(directory, func(one arrival) bool {
		if one.wallNS < late {
			counts, behind = true, end
		} else if counts {
			counts, behind = false, one.cursor
		}
		return true
	})
	if err != nil {
		return 0, err
	}
	return lineFrom(directory, behind, start, end)
}

// eachArrival yields the records of all indexes of a log, oldest first, until yield returns false.
func eachArrival(directory string, yield func(arrival) bool) error {
	segments, err := listSegments(directory)
	if err != nil {
		return err
	}
	block := make([]byte, 4096*indexRecord)
	for _, segment := range segments {
		file, err := os.Open(segment.indexPath())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		more, err := eachRecord(file, block, yield)
		file.Close()
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// eachRecord yields the records of one index, and tells whether more are wanted. Part of a record is none.
func eachRecord(file *os.File, block []byte, yield func(arrival) bool) (more bool, err error) {
	for {
		n, err := io.ReadFull(file, block)
		for records := block[:n/indexRecord*indexRecord]; len(records) > 0; records = records[indexRecord:] {
			if !yield(firstArrival(records)) {
				return false, nil
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// arrivals look up when bytes of one log arrived. Cursors must be asked for in ascending order.
type arrivals struct {
	file    *os.File // the index of a segment; nil where that has none
	base    uint64   // of the segment
	offset  int64    // in the file, of what follows the records
	records []byte   // that were not reached yet
	block   [64 * indexRecord]byte
	present time.Time // zero: it is not known
}

func (a *arrivals) close() {
	if a.file != nil {
		a.file.Close()
		a.file = nil
	}
}

// of returns when the first byte arrived of what a reader has just read. Of the others, which are in the same segment, at does.
func (a *arrivals) of(reader *Reader, cursor uint64) time.Time {
	if a.file == nil || a.base != reader.base {
		a.at(cursor) // the last record of the segment before may be all that tells of this one
		a.open(segment{reader.directory, reader.base}, cursor)
		if a.at(cursor).IsZero() {
			a.earlier(reader.directory)
		}
	}
	return a.at(cursor)
}

// open goes over to the index of a segment, to be asked from a cursor on.
func (a *arrivals) open(of segment, cursor uint64) {
	a.close()
	a.file, _ = os.Open(of.indexPath()) // without one, lines have the time of the last line before
	a.base, a.offset, a.records = of.base, 0, nil
	if a.file == nil {
		return
	}
	info, err := a.file.Stat()
	if err != nil {
		return
	}
	// Cursors ascend: the records before the last one that is not behind the cursor need not be read.
	record := func(number int64) (cursor uint64) {
		_, _ = a.file.ReadAt(a.block[:indexRecord], number*indexRecord)
		return firstArrival(a.block[:]).cursor
	}
	before, behind := int64(-1), info.Size()/indexRecord
	for behind-before > 1 {
		if middle := before + (behind-before)/2; record(middle) <= cursor {
			before = middle
		} else {
			behind = middle
		}
	}
	a.offset = max(before, 0) * indexRecord
}

func (a *arrivals) at(cursor uint64) time.Time {
	for a.file != nil {
		if len(a.records) == 0 {
			// At the end of the index it is tried again at the next call: logd may have added to it.
			n, _ := a.file.ReadAt(a.block[:], a.offset)
			a.records = a.block[:n/indexRecord*indexRecord]
			a.offset += int64(len(a.records))
		}
		if len(a.records) == 0 {
			break
		}
		next := firstArrival(a.records)
		if next.cursor > cursor {
			break
		}
		a.present, a.records = time.Unix(0, next.wallNS), a.records[indexRecord:]
	}
	return a.present
}

// earlier finds the last time that the indexes of segments before this one tell of.
func (a *arrivals) earlier(directory string) {
	_ = eachArrival(directory, func(one arrival) bool {
		if one.cursor >= a.base {
			return false
		}
		a.present = time.Unix(0, one.wallNS)
		return true
	})
}
