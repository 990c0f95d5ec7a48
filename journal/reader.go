package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/extactor/extactor/events"
)

// Reader reads a copy of a journal's database, which is how another process can read while a daemon writes. It sees what
// was recorded when it was opened, not what was buffered.
type Reader struct {
	store   *store
	scratch string // the directory of the copy
	damaged []uint64
}

// OpenReadOnly copies the database at a path and opens the copy. It changes nothing and takes no lock. The process that
// writes the journal must not use it, because closing a file gives up the process's locks on it.
func OpenReadOnly(path string) (*Reader, error) {
	scratch, err := os.MkdirTemp("", "journal-")
	if err != nil {
		return nil, fmt.Errorf("cannot copy journal: %w", err)
	}

	r := &Reader{scratch: scratch}
	if err := r.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open journal %q: %w", path, err), r.Close())
	}

	return r, nil
}

func (r *Reader) open(path string) error {
	copied := filepath.Join(r.scratch, databaseName)
	if err := copyDatabase(path, copied); err != nil {
		return err
	}

	pool, err := openPool(copied, "rw", readConnections)
	if err != nil {
		return err
	}

	r.store = &store{path: copied, readers: pool}

	var application int64
	if err := pool.QueryRow("PRAGMA application_id").Scan(&application); err != nil {
		return err
	}

	if application != applicationID {
		return errors.New("it is something else")
	}

	return nil
}

const copyTries = 10

// copyDatabase copies a database and then its write-ahead log. What moved from the log into the database meanwhile is in
// both, so the copy is whole unless the log began anew, which its header shows.
func copyDatabase(from, to string) error {
	for range copyTries {
		before, err := logHeader(from)
		if err != nil {
			return err
		}

		if err := copyFile(from, to); err != nil {
			return err
		}

		if err := copyFile(from+"-wal", to+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}

		after, err := logHeader(from)
		if err != nil {
			return err
		}

		if bytes.Equal(before, after) {
			return nil
		}
	}

	return errors.New("it changes too fast to be copied")
}

// logHeader returns the header of the write-ahead log, which is another one each time it begins anew; nothing where there
// is no log.
func logHeader(path string) ([]byte, error) {
	file, err := os.Open(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, err
	}
	defer file.Close()

	return io.ReadAll(io.LimitReader(file, 32))
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()

	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}

	_, err = io.Copy(target, source)

	return errors.Join(err, target.Close())
}

// Replay yields every record of a service in order; the empty name means the daemon's own.
func (r *Reader) Replay(service string, yield func(events.Record) bool) error {
	_, err := r.store.replay(service, math.MaxInt64, r.report, yield)

	return err
}

// Tail returns the last n records with a message of a service, or of all where the name is empty, oldest first.
func (r *Reader) Tail(service string, n int) ([]events.Record, error) {
	return r.store.tail(service, math.MaxInt64, n, r.report)
}

// Services lists the services that have records.
func (r *Reader) Services() ([]string, error) { return r.store.services() }

// Damaged lists the records that were left out so far because they are not what was written.
func (r *Reader) Damaged() []uint64 { return r.damaged }

// Close deletes the copy.
func (r *Reader) Close() error {
	var problem error
	if r.store != nil {
		problem = r.store.close()
	}

	return errors.Join(problem, os.RemoveAll(r.scratch))
}

func (r *Reader) report(found page) { r.damaged = append(r.damaged, found.damaged...) }
