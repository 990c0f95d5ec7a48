package journal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/extactor/extactor/events"
)

// Reader reads a copy of a journal's database, which is how another process can read while a daemon writes. It sees what
// was recorded when it was opened, not what was buffered. What is damaged is left out, and told by Problems.
type Reader struct {
	store    *store
	scratch  string // the directory of the copy
	newest   stamp
	floor    uint64
	schema   int64 // version of the format that was found
	problems []string

	mu      sync.Mutex
	damaged []uint64
}

// OpenReadOnly copies the database at a path, or in a state directory, and opens the copy. It changes nothing and takes no
// lock, so that the file can be another machine's, or another user's. An older format is read as the present one. The
// process that writes the journal must not use it, because closing a file gives up the process's locks on it.
func OpenReadOnly(path string) (*Reader, error) {
	scratch, err := os.MkdirTemp("", "journal-")
	if err != nil {
		return nil, fmt.Errorf("cannot copy journal %q to a temporary directory (TMPDIR): %w", path, err)
	}

	return OpenReadOnlyIn(scratch, path)
}

// OpenReadOnlyIn is OpenReadOnly with the copy in an empty directory, which is then deleted by Close, or if it fails.
func OpenReadOnlyIn(scratch, path string) (*Reader, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, databaseName)
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

	alone := logMissing(copied)

	err := r.openCopy(copied)
	if unreadable(err) {
		err = r.openSalvaged(copied, err)
	}

	switch {
	case err != nil && (strings.HasSuffix(path, "-wal") || strings.HasSuffix(path, ".head")):
		return fmt.Errorf("it is not the database, only a file beside it; that is %s", databaseName)
	case code(err) == sqlite3.SQLITE_NOTADB:
		return errors.New("it is no journal, or nothing of it can be read")
	case err != nil:
		return err
	}

	if alone {
		r.problems = append(r.problems, fmt.Sprintf("its write-ahead log (%s-wal) is not there: what was written last may be missing", filepath.Base(path)))
	}

	return r.survey(path)
}

// openSalvaged opens what is left of a damaged copy.
func (r *Reader) openSalvaged(damaged string, why error) error {
	if r.store != nil {
		_ = r.store.close()
		r.store = nil
	}

	whole := filepath.Join(r.scratch, "salvaged.db")

	rows, err := salvage(context.Background(), damaged, whole)

	switch {
	case err != nil:
		return fmt.Errorf("cannot copy what can be read: %w", err)
	case rows == 0 && code(why) == sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("nothing of it can be read: %w", why)
	case rows == 0:
		return why
	}

	r.problems = []string{fmt.Sprintf("its structure is damaged; records that could be read: %d", rows)}

	return r.openCopy(whole)
}

// openCopy opens the copy and reads its whole structure. Of an older format it makes the present one.
func (r *Reader) openCopy(path string) error {
	if err := checkLog(path); err != nil {
		return err
	}

	pool, err := openPool(path, "rw", readConnections)
	if err != nil {
		return err
	}

	r.store = &store{path: path, readers: pool}

	if err := r.modernize(); err != nil {
		return err
	}

	found, err := r.store.structure(context.Background())
	if err != nil {
		return err
	}

	if !found.indexed {
		r.problems = append(r.problems, "the index is damaged and not used")
		r.store.unindexed.Store(true)
	}

	if found.missing > 0 {
		r.problems = append(r.problems, fmt.Sprintf("%d %s", found.missing, keptReason))
	}

	return nil
}

// modernize makes the present format of an older one. A newer one is read as far as it is known: columns are only added.
func (r *Reader) modernize() error {
	ctx, from := context.Background(), r.store.readers

	var application, tables int64

	err := from.QueryRow("SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_application_id, pragma_user_version").
		Scan(&application, &r.schema, &tables)

	switch {
	case err != nil:
		return err
	case tables == 0:
		return &foreignError{"it is empty"}
	case application != applicationID:
		return &foreignError{"it is something else than a journal"}
	case r.schema > schemaVersion:
		r.problems = append(r.problems, fmt.Sprintf("it is of a newer version (schema %d; known is %d): what that added is not shown", r.schema, schemaVersion))

		return nil
	}

	conn, err := from.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()

	return ensureSchema(ctx, conn)
}

// Replay yields every record of a service in order; the empty name means the daemon's own.
func (r *Reader) Replay(service string, yield func(events.Record) bool) error {
	_, err := r.store.replay(context.Background(), service, math.MaxInt64, r.report, yield)

	return err
}

// Tail returns the last n records with a message of a service, or of all where the name is empty, oldest first.
func (r *Reader) Tail(service string, n int) ([]events.Record, error) {
	return r.store.tail(context.Background(), service, math.MaxInt64, n, r.report)
}

// Services lists the services that have records.
func (r *Reader) Services() ([]string, error) { return r.store.services() }

// Floor returns the oldest sequence from which on everything is there.
func (r *Reader) Floor(context.Context) (uint64, error) { return max(r.floor, 1), nil }

// At folds everything up to a record.
func (r *Reader) At(ctx context.Context, seq uint64) (*events.Fold, error) {
	return r.store.past(ctx, seq, r.report)
}

// Each yields the records of all services after a sequence, up to another, in order, until yield returns false.
func (r *Reader) Each(ctx context.Context, after, until uint64, yield func(events.Record) bool) error {
	_, err := r.store.each(ctx, after, until, r.report, yield)

	return err
}

// Select yields the records that are wanted, newest first unless they are wanted the other way round, until yield returns false.
func (r *Reader) Select(ctx context.Context, wanted events.Selection, yield func(events.Record) bool) error {
	_, err := r.store.choose(ctx, wanted, math.MaxInt64, r.report, yield)

	return err
}

// Boots lists the boots of which there are records, oldest first.
func (r *Reader) Boots(ctx context.Context) ([]events.Boot, error) { return r.history(ctx).boots() }

// Newest returns the newest record that was written up to a time of the wall clock, as Journal.Newest does.
func (r *Reader) Newest(ctx context.Context, wallNS int64) (uint64, error) {
	return r.history(ctx).at(wallNS)
}

// Before returns the newest record that was written up to so long before a moment of a boot, as Journal.Before does.
func (r *Reader) Before(ctx context.Context, now events.Moment, bootID string, ago time.Duration) (uint64, error) {
	return r.history(ctx).before(now, bootID, ago)
}

func (r *Reader) history(ctx context.Context) history {
	return history{newest: func(seq uint64) (stamp, error) { return r.store.stamp(ctx, seq) }}
}

// End returns the newest record's sequence, moment and boot; 0 where there is none.
func (r *Reader) End() (seq uint64, at events.Moment, bootID string) {
	return r.newest.seq, r.newest.moment(), r.newest.boot
}

// Problems says what is missing of the journal, as far as that is seen without reading every record.
func (r *Reader) Problems() []string { return r.problems }

// Damaged lists the records that were left out so far because they are not what was written.
func (r *Reader) Damaged() []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()

	return slices.Compact(slices.Sorted(slices.Values(r.damaged)))
}

// Scratch is a directory that Close deletes, for what belongs to the copy.
func (r *Reader) Scratch() string { return r.scratch }

// Close deletes the copy.
func (r *Reader) Close() error {
	var problem error
	if r.store != nil {
		problem = r.store.close()
	}

	return errors.Join(problem, os.RemoveAll(r.scratch))
}

func (r *Reader) report(found page) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.damaged = append(r.damaged, found.damaged...)
}
