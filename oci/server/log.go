package server

import (
	"bytes"
	"os"
)

const (
	mostLog = 1 << 20 // bytes; the run directory is in memory
	keptLog = mostLog / 4
)

// boundedLog writes the server's log and, once it is too long, drops all but its end. Others append to the same file: what
// the shims say, and a panic.
type boundedLog struct{ file *os.File }

func openLog(path string) (*boundedLog, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}

	return &boundedLog{file: file}, nil
}

// Write implements io.Writer; it is not called by two at the same time.
func (l *boundedLog) Write(line []byte) (int, error) {
	if information, err := l.file.Stat(); err == nil && information.Size() > mostLog {
		l.shorten(information.Size())
	}

	return l.file.Write(line)
}

// shorten keeps whole lines. What others write at this very moment may be lost.
func (l *boundedLog) shorten(size int64) {
	end := make([]byte, keptLog)
	if _, err := l.file.ReadAt(end, size-keptLog); err != nil {
		return
	}

	if err := l.file.Truncate(0); err == nil {
		_, _ = l.file.Write(end[bytes.IndexByte(end, '\n')+1:])
	}
}

func (l *boundedLog) close() { l.file.Close() }
