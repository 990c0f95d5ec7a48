package logs

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// spliceChunk is how much is moved at a time, so that one service that prints a lot does not keep others waiting.
const spliceChunk = pipeSize

// stream is logd's side of one log: the FIFO and the segment that its bytes go to.
type stream struct {
	options   *Options
	id        string
	directory string
	fifo      int
	device    uint64 // with inode: which FIFO this is, as another one may take its name
	inode     uint64

	file  int // the newest segment, -1 while none is open
	base  uint64
	size  uint64
	index indexWriter

	losses losses
}

func newStream(options *Options, id string) (*stream, error) {
	fifo, err := openFIFO(options.Dir.FIFO(id))
	if err != nil {
		return nil, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fifo, &stat); err != nil {
		unix.Close(fifo)
		return nil, err
	}
	directory := options.Dir.segments(id)
	_ = unix.Mkdir(directory, 0o700) // where it fails, the segment says so
	return &stream{
		options: options, id: id, directory: directory,
		fifo: fifo, device: stat.Dev, inode: stat.Ino,
		file: -1, index: indexWriter{fd: -1}, losses: openLosses(directory),
	}, nil
}

func (s *stream) close() {
	s.closeSegment()
	s.losses.close()
	unix.Close(s.fifo)
}

func (s *stream) closeSegment() {
	if s.file >= 0 {
		unix.Close(s.file)
	}
	s.file = -1
	s.index.close()
}

func (s *stream) end() uint64 { return s.base + s.size }

// move moves at most one chunk from the FIFO into the file. After an error the bytes are still in the FIFO.
func (s *stream) move() error {
	if err := s.prepare(); err != nil {
		return err
	}
	if err := s.writeNotice(); err != nil {
		return err
	}
	s.index.add(s.end(), time.Now())
	offset := int64(s.size)
	chunk := max(1, min(spliceChunk, s.options.SegmentSize-offset))
	moved, err := unix.Splice(s.fifo, nil, s.file, &offset, int(chunk), unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return err
	}
	s.size += uint64(moved)
	return nil
}

// prepare makes sure that there is a segment with room in it, open for writing.
func (s *stream) prepare() error {
	if s.file < 0 {
		return s.resume()
	}
	var stat unix.Stat_t
	if err := unix.Fstat(s.file, &stat); err != nil {
		return err
	}
	// Somebody may have deleted or truncated the file. Its bytes are gone, but cursors go on.
	damaged := stat.Nlink == 0 || uint64(stat.Size) < s.size
	if damaged {
		s.losses.open(s.directory)
		s.losses.save()
	}
	if damaged || s.isFull() {
		return s.rotate()
	}
	return nil
}

// isFull tells whether a new segment is due. Very short lines make an index that is larger than what it indexes.
func (s *stream) isFull() bool { return max(int64(s.size), s.index.size) >= s.options.SegmentSize }

// resume opens the newest segment that an earlier logd left, or the first one.
func (s *stream) resume() error {
	segments, err := listSegments(s.directory)
	if err != nil {
		return err
	}
	newest := segment{directory: s.directory}
	if len(segments) > 0 {
		newest = segments[len(segments)-1]
	} else {
		newest.base = s.end() // where all files were deleted under a logd that could not open a new one
	}
	if err := s.openSegment(newest); err != nil {
		return err
	}
	if s.isFull() {
		return s.rotate()
	}
	return nil
}

// rotate begins a new segment and deletes the oldest ones. Where it fails, the old segment stays open.
func (s *stream) rotate() error {
	if err := s.openSegment(segment{s.directory, s.end()}); err != nil {
		return err
	}
	if err := s.prune(); err != nil { // which is no reason not to write
		s.options.Report(fmt.Errorf("cannot delete old segments of log %q: %w", s.id, err))
	}
	return nil
}

// prune deletes the oldest segments.
func (s *stream) prune() error {
	segments, err := listSegments(s.directory)
	problems := []error{err}
	for ; len(segments) > s.options.Segments; segments = segments[1:] {
		problems = append(problems, segments[0].remove())
	}
	return errors.Join(problems...)
}

func (s *stream) openSegment(opened segment) error {
	if err := unix.Mkdir(s.directory, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("cannot create %s: %w", s.directory, err)
	}
	// Not O_APPEND: splice(2) refuses it.
	file, err := unix.Open(opened.path(), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", opened.path(), err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(file, &stat); err != nil {
		unix.Close(file)
		return err
	}
	s.closeSegment()
	s.file, s.base, s.size = file, opened.base, uint64(stat.Size)
	s.index = openIndex(opened.indexPath())
	return nil
}

// tellLosses writes a notice of what had to be discarded, where there is room again.
func (s *stream) tellLosses() error {
	if err := s.prepare(); err != nil {
		return err
	}
	return s.writeNotice()
}

// writeNotice writes, where bytes had to be discarded, how many, as a line of its own.
func (s *stream) writeNotice() error {
	for s.losses.untold() {
		if !s.losses.telling() {
			s.losses.tell(s.end(), s.withinLine())
		}
		for rest := s.losses.rest(s.end()); len(rest) > 0; {
			s.index.add(s.end(), time.Now())
			written, err := unix.Pwrite(s.file, rest, int64(s.size))
			if err != nil {
				if s.end() == s.losses.At {
					s.losses.takeBack()
				}
				return err
			}
			s.size += uint64(written)
			rest = rest[written:]
		}
		s.losses.told()
	}
	return nil
}

// withinLine tells whether the segment ends in a line that goes on.
func (s *stream) withinLine() bool {
	last := []byte{'\n'}
	if s.size > 0 {
		_, _ = unix.Pread(s.file, last, int64(s.size)-1)
	}
	return last[0] != '\n'
}
