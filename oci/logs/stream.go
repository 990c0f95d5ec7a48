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

	discarded uint64 // bytes that no notice in the log tells of yet
	notice    []byte // the rest of a notice that was written in part
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
	return &stream{
		options: options, id: id, directory: options.Dir.segments(id),
		fifo: fifo, device: stat.Dev, inode: stat.Ino,
		file: -1, index: indexWriter{fd: -1},
	}, nil
}

func (s *stream) close() {
	s.closeSegment()
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
	if damaged || int64(s.size) >= s.options.SegmentSize {
		return s.rotate()
	}
	return nil
}

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
	if int64(s.size) >= s.options.SegmentSize {
		return s.rotate()
	}
	return nil
}

// rotate begins a new segment and deletes the oldest ones. Where it fails, the old segment stays open.
func (s *stream) rotate() error {
	if err := s.openSegment(segment{s.directory, s.end()}); err != nil {
		return err
	}
	segments, err := listSegments(s.directory)
	if err != nil {
		return err
	}
	for ; len(segments) > s.options.Segments; segments = segments[1:] {
		if err := segments[0].remove(); err != nil {
			return err
		}
	}
	return nil
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

// discard takes at most one chunk out of the FIFO, so that the service can go on.
func (s *stream) discard(null int) error {
	moved, err := unix.Splice(s.fifo, nil, null, nil, spliceChunk, unix.SPLICE_F_NONBLOCK)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return err
	}
	s.discarded += uint64(moved)
	return nil
}

// writeNotice writes, where bytes had to be discarded, how many, as a line of its own.
func (s *stream) writeNotice() error {
	for s.discarded > 0 || len(s.notice) > 0 {
		notice, told := s.notice, uint64(0)
		if len(notice) == 0 {
			notice, told = s.composeNotice(), s.discarded
		}
		s.index.add(s.end(), time.Now())
		written, err := unix.Pwrite(s.file, notice, int64(s.size))
		if err != nil {
			return err // nothing was told yet: the next one counts what is discarded until then as well
		}
		s.size += uint64(written)
		s.notice = notice[written:]
		s.discarded -= told
	}
	return nil
}

func (s *stream) composeNotice() []byte {
	var notice []byte
	last := []byte{'\n'}
	if s.size > 0 {
		_, _ = unix.Pread(s.file, last, int64(s.size)-1)
	}
	if last[0] != '\n' {
		notice = append(notice, '\n')
	}
	return fmt.Appendf(notice, "extactor: %d bytes of this log could not be written and are lost\n", s.discarded)
}
