package logs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// losses counts what had to be discarded of a log, in a small file beside its segments, so that a logd that is killed
// passes the count on to the next one. The file gets its block while the disk has room; writing it again needs none.
// Where it cannot be written, the count lives in memory only.
type losses struct {
	fd int
	lossRecord
}

// lossRecord is what the file holds, little endian.
type lossRecord struct {
	Lost  lossCount // that no notice in the log tells of
	Told  lossCount // that the notice tells of which is being written; zero: none is
	At    uint64    // cursor at which that notice begins
	Break bool      // that notice begins with the end of a line that the service did not end
}

// lossCount is a number of bytes. Of those in doubt nobody knows whether they were discarded or written: logd was killed
// within the call that was to discard them.
type lossCount struct{ Bytes, Doubt uint64 }

func (c lossCount) add(other lossCount) lossCount {
	return lossCount{c.Bytes + other.Bytes, c.Doubt + other.Doubt}
}

func openLosses(directory string) losses {
	l := losses{fd: -1}
	l.open(directory)
	if l.fd < 0 {
		return l
	}
	content := make([]byte, binary.Size(l.lossRecord))
	if n, _ := unix.Pread(l.fd, content, 0); n == len(content) {
		_, _ = binary.Decode(content, binary.LittleEndian, &l.lossRecord)
	} else {
		l.save()
	}
	return l
}

// open opens the file anew, which somebody may have deleted.
func (l *losses) open(directory string) {
	l.close()
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NOFOLLOW
	fd, err := unix.Open(filepath.Join(directory, "losses"), flags, 0o600)
	if err == nil {
		l.fd = fd
	}
}

func (l *losses) close() {
	if l.fd >= 0 {
		unix.Close(l.fd)
	}
	l.fd = -1
}

func (l *losses) save() {
	if l.fd < 0 {
		return
	}
	if content, err := binary.Append(nil, binary.LittleEndian, l.lossRecord); err == nil {
		_, _ = unix.Pwrite(l.fd, content, 0)
	}
}

// untold tells whether there is anything that the log does not say yet.
func (l *losses) untold() bool { return l.Lost != lossCount{} || l.telling() }

func (l *losses) telling() bool { return l.Told != lossCount{} }

// tell begins a notice. It is saved before the notice is written, so that the next logd knows how much of it is there.
func (l *losses) tell(at uint64, withinLine bool) {
	l.Told, l.Lost, l.At, l.Break = l.Lost, lossCount{}, at, withinLine
	l.save()
}

// takeBack forgets a notice of which nothing was written: the next one counts what is discarded until then as well.
func (l *losses) takeBack() {
	l.Lost, l.Told = l.Lost.add(l.Told), lossCount{}
	l.save()
}

// told is called once the notice is written.
func (l *losses) told() {
	l.Told = lossCount{}
	l.save()
}

// rest is what is missing of the notice in a log that ends at the cursor.
func (l *losses) rest(end uint64) []byte {
	var notice []byte
	if l.Break {
		notice = append(notice, '\n')
	}
	count := fmt.Sprint(l.Told.Bytes)
	if l.Told.Doubt > 0 {
		count = fmt.Sprintf("%d to %d", l.Told.Bytes, l.Told.Bytes+l.Told.Doubt)
	}
	notice = fmt.Appendf(notice, "extactor: %s bytes of this log could not be written and are lost\n", count)
	if end < l.At { // somebody truncated the log
		return notice
	}
	return notice[min(end-l.At, uint64(len(notice))):]
}

// discard takes at most one chunk out of the FIFO, so that the service can go on.
func (l *losses) discard(fifo, null int) error {
	waiting, err := unix.IoctlGetInt(fifo, unix.TIOCINQ)
	if waiting == 0 || err != nil {
		return err
	}
	chunk := uint64(min(waiting, spliceChunk))
	l.Lost.Doubt += chunk
	l.save()
	moved, err := unix.Splice(fifo, nil, null, nil, int(chunk), unix.SPLICE_F_NONBLOCK)
	l.Lost.Doubt -= chunk
	l.Lost.Bytes += uint64(max(moved, 0))
	l.save()
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}
