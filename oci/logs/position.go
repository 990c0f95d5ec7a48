package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Cursor returns the end of a log: the position of the next byte that will be added. A log without files ends at 0.
func Cursor(dir Dir, id string) (uint64, error) {
	if err := checkID(id); err != nil {
		return 0, fmt.Errorf("cannot find the end of log %q: %w", id, err)
	}
	_, end, err := bounds(dir.segments(id))
	if err != nil {
		return 0, fmt.Errorf("cannot find the end of log %q: %w", id, err)
	}
	return end, nil
}

// LastLines returns the last lines after a cursor, at most limit bytes, as text. A line is cut only where it alone is
// longer than the limit; bytes that are not UTF-8 are replaced.
func LastLines(dir Dir, id string, from uint64, limit int) (string, error) {
	end, err := Cursor(dir, id)
	if err != nil || end <= from || limit <= 0 {
		return "", err
	}
	// One byte more than is wanted tells whether the first line is whole.
	begin, cut := from, end-from > uint64(limit)
	if cut {
		begin = end - uint64(limit) - 1
	}
	reader, err := Open(dir, id, begin)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	text, err := io.ReadAll(io.LimitReader(reader, int64(end-reader.Cursor())))
	if err != nil {
		return "", fmt.Errorf("cannot read log %q: %w", id, err)
	}
	if cut && len(text) > 0 {
		newline := bytes.IndexByte(text, '\n')
		if newline < 0 || newline == len(text)-1 {
			newline = 0
		}
		text = text[newline+1:]
	}
	// A replacement is longer than what it replaces.
	valid := strings.ToValidUTF8(string(text), "\uFFFD")
	if len(valid) > limit {
		valid = strings.ToValidUTF8(valid[len(valid)-limit:], "")
	}
	return valid, nil
}

// tail returns the cursor at which the last n lines before an end begin, from a start on. An unfinished line at the end
// counts as one.
func tail(directory string, start, end uint64, n int) (uint64, error) {
	if n == 0 || start >= end {
		return end, nil
	}
	block := make([]byte, 64<<10)
	for upper := end; upper > start; {
		lower := start
		if upper-start > uint64(len(block)) {
			lower = upper - uint64(len(block))
		}
		part := block[:upper-lower]
		if err := readAt(directory, lower, part); errors.Is(err, errGone) {
			return upper, nil // deleted meanwhile: there are fewer lines now
		} else if err != nil {
			return 0, err
		}
		if upper == end && part[len(part)-1] == '\n' {
			part = part[:len(part)-1] // it ends the last line, and begins none
		}
		for ; n > 0; n-- {
			cut := bytes.LastIndexByte(part, '\n')
			if cut < 0 {
				break
			}
			if n == 1 {
				return lower + uint64(cut) + 1, nil
			}
			part = part[:cut]
		}
		upper = lower
	}
	return start, nil
}

// lineFrom returns the cursor, from another one on, at which a line begins; the end where none does.
func lineFrom(directory string, cursor, start, end uint64) (uint64, error) {
	if cursor <= start || cursor >= end {
		return min(max(cursor, start), end), nil
	}
	reader, err := openAt(directory, cursor-1)
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	reader.end = end
	for block := make([]byte, 4<<10); ; {
		n, err := reader.Read(block)
		if at := bytes.IndexByte(block[:n], '\n'); at >= 0 {
			return reader.Cursor() - uint64(n-at-1), nil
		}
		if err == io.EOF {
			return end, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// lineOf returns the cursor, from a start on, at which the line begins that the byte at a cursor is of.
func lineOf(directory string, cursor, start uint64) (uint64, error) {
	if cursor <= start {
		return start, nil
	}
	before := make([]byte, 1)
	if err := readAt(directory, cursor-1, before); errors.Is(err, errGone) {
		return cursor, nil
	} else if err != nil {
		return 0, err
	}
	if before[0] == '\n' {
		return cursor, nil
	}
	return tail(directory, start, cursor, 1)
}

var errGone = errors.New("no longer kept")

// readAt fills p with what stands at a cursor.
func readAt(directory string, cursor uint64, p []byte) error {
	reader, err := openAt(directory, cursor)
	if err != nil {
		return err
	}
	defer reader.Close()
	if _, err = io.ReadFull(reader, p); err != nil {
		return err
	}
	if reader.Cursor() != cursor+uint64(len(p)) {
		return errGone
	}
	return nil
}
