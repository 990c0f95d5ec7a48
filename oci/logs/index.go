package logs

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// An index says when bytes arrived. It has records of 16 bytes, little endian: a cursor, and the wall clock in
// nanoseconds since 1970 at which the byte there had arrived; what follows it, up to the next record, arrived within
// indexPrecision after that. It is written before the bytes, so a logd that is killed in between leaves one record too
// many, which the next one for the same cursor overrides.
const (
	indexRecord    = 16
	indexPrecision = time.Millisecond
)

// indexWriter appends to an index. It never fails: without an index, or with holes in it, lines have the time of an
// earlier one.
type indexWriter struct {
	fd   int
	size int64
	last time.Time
}

func openIndex(path string) indexWriter {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return indexWriter{fd: -1}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		unix.Close(fd)
		return indexWriter{fd: -1}
	}
	return indexWriter{fd: fd, size: stat.Size / indexRecord * indexRecord} // a torn record is overwritten
}

func (w *indexWriter) add(cursor uint64, now time.Time) {
	since := now.Sub(w.last)
	if w.fd < 0 || since >= 0 && since < indexPrecision {
		return
	}
	var record [indexRecord]byte
	binary.LittleEndian.PutUint64(record[:8], cursor)
	binary.LittleEndian.PutUint64(record[8:], uint64(now.UnixNano()))
	if n, _ := unix.Pwrite(w.fd, record[:], w.size); n == indexRecord {
		w.size += indexRecord
		w.last = now
	}
}

func (w *indexWriter) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
	}
	*w = indexWriter{fd: -1}
}
