package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"time"
)

// Reader reads a log as one stream, across segments, from a cursor on. It holds one file open and buffers nothing.
type Reader struct {
	directory string
	cursor    uint64
	file      *os.File  // the segment that is being read, nil before the first one
	base      uint64    // cursor of its first byte
	end       uint64    // where it ends, whatever follows
	until     time.Time // when that will be known; zero: it is
	wait      func() error
	release   func()
}

// noEnd is where a reader ends that reads all there is.
const noEnd = math.MaxUint64

// Open returns a reader that begins at a cursor and ends, with io.EOF, at the present end of the log; reading on later
// gives what was added since. Where the bytes at the cursor are no longer kept it begins at the oldest that are; a
// cursor beyond the end means the end. The caller closes it.
func Open(dir Dir, id string, from uint64) (*Reader, error) {
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("cannot open log %q: %w", id, err)
	}
	reader, err := openAt(dir.segments(id), from)
	if err != nil {
		return nil, fmt.Errorf("cannot open log %q: %w", id, err)
	}
	return reader, nil
}

func openAt(directory string, from uint64) (*Reader, error) {
	start, end, err := bounds(directory)
	if err != nil {
		return nil, err
	}
	return &Reader{directory: directory, cursor: min(max(from, start), end), end: noEnd}, nil
}

// Cursor returns the position of the next byte.
func (r *Reader) Cursor() uint64 { return r.cursor }

// Close releases the files. It must not be called while a Read is under way.
func (r *Reader) Close() error {
	if r.release != nil {
		r.release()
		r.release = nil
	}
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// Read returns bytes in the order in which the service printed them, each once. A reader that is so slow that bytes are
// deleted before it gets to them goes on at the oldest that are left.
func (r *Reader) Read(p []byte) (int, error) {
	for {
		if err := r.settle(); err != nil {
			return 0, err
		}
		n, err := r.read(p)
		if n > 0 || len(p) == 0 || err != io.EOF || r.wait == nil {
			return n, err
		}
		if err := r.wait(); err != nil {
			return 0, err
		}
	}
}

// settle finds the end once the time up to which lines are wanted is over.
func (r *Reader) settle() error {
	if r.until.IsZero() || time.Now().Before(r.until) {
		return nil
	}
	end, err := until(r.directory, r.until)
	if err != nil {
		return err
	}
	r.end, r.until, r.wait = end, time.Time{}, nil
	return nil
}

func (r *Reader) read(p []byte) (int, error) {
	sealed := false // the present segment is known to be complete
	for {
		if r.cursor >= r.end {
			return 0, io.EOF
		}
		if n, err := r.readFile(p); n > 0 || err != nil {
			return n, err
		}
		// A segment begins where the one before it ended: where there is one of that name, this one is done.
		if r.file != nil && r.cursor > r.base {
			err := r.open(segment{r.directory, r.cursor})
			if err == nil {
				sealed = false
				continue
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return 0, err
			}
		}
		next, found, err := r.next()
		if err != nil {
			return 0, err
		}
		if !found {
			return 0, io.EOF
		}
		if r.file != nil && !sealed {
			// What was created while the directory was listed may be in the list or not. But now this segment is known
			// to be complete, and the one behind it to have been created: only if it is gone may bytes be skipped.
			sealed = true
			continue
		}
		if err := r.open(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
}

// open goes over to another segment. Where it fails the present one stays.
func (r *Reader) open(next segment) error {
	file, err := os.Open(next.path())
	if err != nil {
		return err
	}
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.base, r.cursor = file, next.base, max(r.cursor, next.base)
	return nil
}

// readFile reads from the present segment; 0 and nil mean its end.
func (r *Reader) readFile(p []byte) (int, error) {
	if r.file == nil {
		return 0, nil
	}
	if left := r.end - r.cursor; uint64(len(p)) > left {
		p = p[:left]
	}
	n, err := r.file.ReadAt(p, int64(r.cursor-r.base))
	r.cursor += uint64(n)
	if err == io.EOF || n > 0 {
		err = nil
	}
	return n, err
}

// next finds the oldest segment after the present one, or at first the one that the cursor lies in.
func (r *Reader) next() (next segment, found bool, err error) {
	segments, err := listSegments(r.directory)
	for _, candidate := range segments {
		switch {
		case r.file != nil && candidate.base <= r.base:
		case !found || r.file == nil && candidate.base <= r.cursor:
			next, found = candidate, true
		}
	}
	return next, found, err
}
