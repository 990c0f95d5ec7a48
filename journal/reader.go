package journal

import (
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/extactor/extactor/events"
)

// Reader reads a journal's database, also while a daemon writes it. It sees what is recorded, not what is buffered.
type Reader struct {
	store   *store
	damaged []uint64
}

// OpenReadOnly opens the database at a path for reading. It changes nothing.
func OpenReadOnly(path string) (*Reader, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("cannot open journal: %w", err)
	}

	pool, err := openPool(path, "ro", readConnections)
	if err != nil {
		return nil, err
	}

	var application int64
	if err := pool.QueryRow("PRAGMA application_id").Scan(&application); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open journal %q: %w", path, err), pool.Close())
	}

	if application != applicationID {
		return nil, errors.Join(fmt.Errorf("cannot open journal %q: it is something else", path), pool.Close())
	}

	return &Reader{store: &store{path: path, readers: pool}}, nil
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

// Close lets go of the database.
func (r *Reader) Close() error { return r.store.readers.Close() }

func (r *Reader) report(found page) { r.damaged = append(r.damaged, found.damaged...) }
