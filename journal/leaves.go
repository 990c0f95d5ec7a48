package journal

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// leaves finds rows in the file of a database without what leads to them: page by page, as SQLite's file format lays rows out
// (https://sqlite.org/fileformat.html, "B-tree Pages" and "Record Format"). What was deleted may be among them, and what only
// looks like a row.
type leaves struct {
	file *os.File
	size int // of a page
}

const (
	usualPageSize = 4096
	headerSize    = 100      // of the file, at the beginning of its first page
	longestRow    = 16 << 20 // far more than any record has
)

// openLeaves opens a file. Where it does not tell the size of its pages that is the usual one.
func openLeaves(path string) (*leaves, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}

	const pageSizeAt = 16

	var size [2]byte
	if _, err := file.ReadAt(size[:], pageSizeAt); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, file.Close())
	}

	found := &leaves{file: file, size: int(binary.BigEndian.Uint16(size[:]))}
	if found.size == 1 { // which has no room for what it stands for
		found.size = 1 << 16
	}

	if found.size < 512 || found.size&(found.size-1) != 0 {
		found.size = usualPageSize
	}

	return found, nil
}

func (l *leaves) close() error { return l.file.Close() }

// each yields the number and the values of every row, which are valid until the next one, until yield fails.
func (l *leaves) each(yield func(number int64, values []driver.Value) error) error {
	page := make([]byte, l.size)

	var values []driver.Value

	for at := int64(0); ; at += int64(l.size) {
		count, err := l.file.ReadAt(page, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot read byte %d: %w", at, err)
		}

		if count == 0 {
			return nil
		}

		clear(page[count:])

		for _, cell := range cells(page) {
			number, content, ok := l.row(cell)
			if !ok {
				continue
			}

			if values, ok = valuesOf(content, values[:0]); !ok {
				continue
			}

			if err := yield(number, values); err != nil {
				return err
			}
		}
	}
}

// cells are where the rows of a page may begin. What the page says that it is is not asked, because that may be damaged.
func cells(page []byte) [][]byte {
	const cellsAt, pointersAt = 3, 8 // how many there are, and where each begins

	count := int(binary.BigEndian.Uint16(page[cellsAt:]))

	var found [][]byte

	for at := pointersAt; count > 0 && at+2 <= len(page); at, count = at+2, count-1 {
		if begin := int(binary.BigEndian.Uint16(page[at:])); begin > at && begin < len(page) {
			found = append(found, page[begin:])
		}
	}

	return found
}

// row reads the number of a row, and its content together with what of that is on other pages.
func (l *leaves) row(cell []byte) (number int64, content []byte, ok bool) {
	length, cell, ok := varint(cell)
	if !ok || length > longestRow {
		return 0, nil, false
	}

	unsigned, cell, ok := varint(cell)
	whole, number := int(length), int64(unsigned)

	here := whole
	if most := l.size - 35; whole > most {
		least := (l.size-12)*32/255 - 23
		if here = least + (whole-least)%(l.size-4); here > most {
			here = least
		}
	}

	switch {
	case !ok || here > len(cell) || !fits(cell[:here], length):
		return 0, nil, false
	case here == whole:
		return number, cell[:here], true
	case here+4 > len(cell):
		return 0, nil, false
	}

	content = append(make([]byte, 0, whole), cell[:here]...)
	next := binary.BigEndian.Uint32(cell[here:])
	page := make([]byte, l.size)

	for len(content) < whole {
		if next == 0 {
			return 0, nil, false
		}

		if _, err := l.file.ReadAt(page, (int64(next)-1)*int64(l.size)); err != nil {
			return 0, nil, false
		}

		next = binary.BigEndian.Uint32(page)
		content = append(content, page[4:min(l.size, 4+whole-len(content))]...)
	}

	return number, content, true
}

// fits tells whether a row can have so many bytes by the types that it begins with.
func fits(begin []byte, length uint64) bool {
	header, _, ok := varint(begin)
	if !ok || header > min(length, uint64(len(begin))) {
		return false
	}

	_, types, _ := varint(begin[:header])

	for length -= header; len(types) > 0; {
		var kind uint64
		if kind, types, ok = varint(types); !ok || sizeOf(kind) > length {
			return false
		}

		length -= sizeOf(kind)
	}

	return length == 0
}

// sizeOf is how many bytes a value of a type has.
func sizeOf(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind < 8:
		return [...]uint64{0, 1, 2, 3, 4, 6, 8, 8}[kind]
	default:
		return 0
	}
}

// valuesOf reads the values of a row: first come their types, then what is in them.
func valuesOf(content []byte, values []driver.Value) ([]driver.Value, bool) {
	length, _, ok := varint(content)
	if !ok || length > uint64(len(content)) {
		return values, false
	}

	_, types, _ := varint(content[:length])
	content = content[length:]

	for len(types) > 0 {
		var kind uint64
		if kind, types, ok = varint(types); !ok {
			return values, false
		}

		size := sizeOf(kind)
		if size > uint64(len(content)) {
			return values, false
		}

		values = append(values, valueOf(kind, content[:size]))
		content = content[size:]
	}

	return values, true
}

// valueOf reads one value. No column of ours is a floating-point number: what looks like one is taken for an integer.
func valueOf(kind uint64, content []byte) driver.Value {
	switch {
	case kind == 0:
		return nil
	case kind >= 12 && kind%2 == 1:
		return string(content)
	case kind >= 12:
		return content
	case kind == 9:
		return int64(1)
	}

	number := int64(0)
	if len(content) > 0 {
		number = int64(int8(content[0])) // with its sign
	}

	for _, part := range content[min(1, len(content)):] {
		number = number<<8 | int64(part)
	}

	return number
}

// varint reads a number of one to nine bytes, and returns what follows it.
func varint(from []byte) (number uint64, rest []byte, ok bool) {
	for at, part := range from[:min(8, len(from))] {
		number = number<<7 | uint64(part&0x7f)
		if part < 0x80 {
			return number, from[at+1:], true
		}
	}

	if len(from) < 9 {
		return 0, nil, false
	}

	return number<<8 | uint64(from[8]), from[9:], true
}
