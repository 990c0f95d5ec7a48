package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite" // also registers the driver

	"github.com/extactor/extactor/events"
)

// store is one open database. It knows SQL and rows, and nothing of sequences, queues or degradation.
type store struct {
	path     string
	identity os.FileInfo // of the database file when it was opened
	wal      rewriter    // a handle of our own on the write-ahead log, for fsync
	database rewriter    // closing it gives up SQLite's locks, so it comes last

	moving  sync.Mutex // one checkpoint at a time; whoever holds writing may take it, not the other way round
	writing sync.Mutex // one write transaction at a time: the committer's batches and retention's chunks
	writer  *sql.DB
	conn    *sql.Conn
	insert  *sql.Stmt
	scratch []byte

	readers   *sql.DB
	unindexed atomic.Bool // the index is damaged

	ending  context.Context // ends when the store is about to be closed
	end     context.CancelFunc
	sound   chan struct{} // closed when the structure was checked
	checked chan struct{} // closed when everything was checked, or the check was given up
}

// cacheKiB bounds SQLite's page cache of one connection. Three of them must leave the daemon small.
const cacheKiB = 512

// readConnections bounds how many queries run at the same time.
const readConnections = 2

// openStore opens or creates the database. Errors are those of SQLite, or *foreignError.
func openStore(path string) (*store, error) {
	ctx := context.Background()
	s := &store{path: path, sound: make(chan struct{}), checked: make(chan struct{})}
	s.ending, s.end = context.WithCancel(ctx)

	err := checkLog(path)
	if err != nil {
		return nil, err
	}

	if s.writer, err = openPool(path, "rwc", 1); err != nil {
		return nil, err
	}

	if err := s.prepareWriter(ctx); err != nil {
		_ = s.close()

		return nil, err
	}

	if s.readers, err = openPool(path, "rw", readConnections); err != nil {
		_ = s.close()

		return nil, err
	}

	return s, nil
}

func openPool(path, mode string, connections int) (*sql.DB, error) {
	registerHandOver()

	// In an address a relative path would begin with the name of a host.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open %q: %w", path, err)
	}

	// This way the index of the write-ahead log is in ordinary memory. As a mapped file, the first write to it after the
	// disk hangs would be a page fault that does not return, and the Go runtime stops the whole process for one of those.
	// The price is that no other process can open the database at the same time, which Reader gets around.
	query := url.Values{"mode": {mode}, "vfs": {"unix-excl"}, "_pragma": {
		"busy_timeout(500)", "synchronous(NORMAL)", "wal_autocheckpoint(0)", "temp_store(MEMORY)",
		fmt.Sprintf("cache_size(-%d)", cacheKiB), "journal_size_limit(4194304)",
	}}
	address := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}

	pool, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, fmt.Errorf("cannot open %q: %w", path, err)
	}

	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)

	return pool, nil
}

func (s *store) prepareWriter(ctx context.Context) error {
	var err error
	if s.conn, err = s.writer.Conn(ctx); err != nil {
		return fmt.Errorf("cannot open %q: %w", s.path, err)
	}

	var mode string
	if err := s.conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return fmt.Errorf("cannot open %q: %w", s.path, err)
	}

	if mode != "wal" {
		return fmt.Errorf("cannot open %q: no write-ahead log here, only %q", s.path, mode)
	}

	if err := ensureSchema(ctx, s.conn); err != nil {
		return err
	}
	// A file system that is read-only must be found out now, not by the first event.
	if _, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE; ROLLBACK"); err != nil {
		return fmt.Errorf("cannot write %q: %w", s.path, err)
	}

	// The last connection that closes would delete the log by its path, which may lead to another journal by then.
	if err := s.conn.Raw(keepLog); err != nil {
		return fmt.Errorf("cannot keep the write-ahead log of %q: %w", s.path, err)
	}

	if s.insert, err = s.conn.PrepareContext(ctx, insertRow); err != nil {
		return fmt.Errorf("cannot prepare %q: %w", s.path, err)
	}

	if s.identity, err = os.Stat(s.path); err != nil {
		return fmt.Errorf("cannot open %q: %w", s.path, err)
	}

	if s.database.file, err = os.OpenFile(s.path, os.O_RDWR, 0); err != nil {
		return fmt.Errorf("cannot open %q: %w", s.path, err)
	}

	if s.wal.file, err = os.OpenFile(s.path+"-wal", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return fmt.Errorf("cannot open the write-ahead log: %w", err)
	}

	return syncDir(filepath.Dir(s.path))
}

func keepLog(connection any) error {
	control, ok := connection.(sqlite.FileControl)
	if !ok {
		return errors.New("the driver cannot do that")
	}

	_, err := control.FileControlPersistWAL("main", 1)

	return err
}

// write commits whole decisions in one transaction.
func (s *store) write(batch []*queued) error {
	ctx := context.Background()

	s.writing.Lock()
	defer s.writing.Unlock()

	if err := s.begin(ctx); err != nil {
		return err
	}

	for _, decision := range batch {
		for i := range decision.rows {
			if err := s.insertRow(ctx, &decision.rows[i], decision.payloads[i]); err != nil {
				_, _ = s.conn.ExecContext(ctx, "ROLLBACK")

				return err
			}
		}
	}

	if _, err := s.conn.ExecContext(ctx, "COMMIT"); err != nil {
		_, _ = s.conn.ExecContext(ctx, "ROLLBACK")

		return err
	}

	if s.logBytes() > mostLog {
		_ = s.moveLog() // who checkpoints finds out what is wrong
	}

	return nil
}

// begin begins a transaction that writes; the lock for writing is held.
func (s *store) begin(ctx context.Context) error {
	if s.wal.pending() || s.database.pending() {
		return &syncError{errors.New("what was written before is not safe yet")}
	}

	_, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE")

	return err
}

func (s *store) insertRow(ctx context.Context, row *events.Record, payload []byte) error {
	var crc uint32
	crc, s.scratch = checksum(s.scratch, row, payload)

	var uid, pid, via any
	if row.Origin != nil {
		uid, pid, via = int64(row.Origin.GetUid()), int64(row.Origin.GetPid()), viaOf(row.Origin)
	}

	_, err := s.insert.ExecContext(ctx,
		int64(row.Seq), row.Instance, row.BootID, row.RunID, row.Service, int64(row.Attempt), row.Kind, row.State, row.Message,
		row.WallNS, row.BootNS, int64(row.Cause), int64(row.Decision), uid, pid, via, payload, int64(crc))

	return err
}

// replaced tells whether the path no longer leads to this database.
func (s *store) replaced() bool {
	now, err := os.Stat(s.path)

	return err != nil || !os.SameFile(now, s.identity)
}

// bytes is the space that rows take: pages in use, without those that deletions freed.
func (s *store) bytes() (int64, error) {
	var size, pages, free int64

	err := s.readers.QueryRow(`SELECT page_size, page_count, freelist_count
		FROM pragma_page_size, pragma_page_count, pragma_freelist_count`).Scan(&size, &pages, &free)

	return size * (pages - free), err
}

const (
	// largestLog is how large the write-ahead log may grow before a checkpoint holds up the writer.
	largestLog = 16 << 20

	// mostLog is how large it may grow while checkpoints are slower than the writer, before that does their work.
	mostLog = 64 << 20
)

// checkpoint moves the write-ahead log into the database and syncs that: what it can without holding up the writer. What
// could not be synced is moved again by the next one. The log begins anew where all of it is moved when the next
// transaction begins: a writer that makes no pause is always ahead, and has to wait once the log is large.
func (s *store) checkpoint() error {
	if err := s.moveLog(); err != nil {
		return err
	}

	if s.logBytes() <= largestLog {
		return nil
	}

	s.writing.Lock()
	defer s.writing.Unlock()

	return s.moveLog()
}

// logBytes is the size of the write-ahead log, or 0 where it is not known: whoever writes to it finds out why.
func (s *store) logBytes() int64 {
	info, err := s.wal.file.Stat()
	if err != nil {
		return 0
	}

	return info.Size()
}

// moveLog waits for one that is under way: SQLite would do nothing beside it.
func (s *store) moveLog() error {
	s.moving.Lock()
	defer s.moving.Unlock()

	var busy, frames, moved int
	if err := s.readers.QueryRow("PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &frames, &moved); err != nil {
		return fmt.Errorf("cannot move the write-ahead log: %w", err)
	}

	return nil
}

// rewrite makes the write-ahead log and the database safe after a sync of either failed.
func (s *store) rewrite() error {
	s.writing.Lock()
	defer s.writing.Unlock()

	if err := s.wal.rewrite(); err != nil {
		return err
	}

	return s.database.rewrite()
}

// close waits for running queries. The last connection moves the write-ahead log into the database.
func (s *store) close() error {
	var problems []error

	if s.end != nil {
		s.end()
	}

	if s.readers != nil {
		problems = append(problems, s.readers.Close())
	}

	if s.insert != nil {
		problems = append(problems, s.insert.Close())
	}

	if s.conn != nil {
		problems = append(problems, s.conn.Close())
	}

	if s.writer != nil {
		problems = append(problems, s.writer.Close())
	}

	for _, own := range []*os.File{s.wal.file, s.database.file} {
		if own != nil {
			problems = append(problems, own.Close())
		}
	}

	return errors.Join(problems...)
}
