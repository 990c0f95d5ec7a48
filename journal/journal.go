// Package journal is the event store: an append-only table on SQLite from which every state can be folded again.
//
// Append takes a decision, gives its rows their sequence and returns once they are in the write-ahead log. Where the disk
// does not take them within a second the journal is degraded: decisions are kept in memory, Append returns at once, and
// the rows are written in order when the disk is back. Nothing about its own files ever keeps the journal from opening:
// what is damaged is set aside or skipped, and reported. See docs/journal.md.
//
// Health: Status says whether the journal is degraded, since when and why, how many records are in memory only (Buffered)
// and how many are known to be gone (Lost, Losses; final once Checked). Watch returns the same with a channel that is
// closed at the next change, so a loop of Watch and a receive is a notification. Both answer at once, whatever the disk
// does.
package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/extactor/extactor/events"
)

// SyncMode says when records are made safe against a power cut. They are safe against the death of any process as soon
// as Append says so.
type SyncMode int

const (
	// Interval syncs at most 200 ms after a record was written.
	Interval SyncMode = iota
	// Always syncs before Append returns.
	Always
)

// Options say where a journal lives and what it keeps.
type Options struct {
	Identity

	Dir   string // the state directory, absolute; its last element is made where its parent exists
	Mount string // when set, Dir is used only while this is a mount point
	Sync  SyncMode

	// Check, where it is set, may refuse the state directory: it is asked each time before the database in it is opened.
	Check func() error

	RingEvents int // how many records are kept in memory while degraded; 0 means 20000
	RingBytes  int // the same in bytes, about; 0 means 8 MiB

	MaxAge   time.Duration // records older than this may be deleted; 0 means 90 days
	MaxBytes int64         // the oldest records are deleted above this size; 0 means 32 MiB

	// Snapshot makes every service append a Snapshot of itself, and returns when all have. It is called, in a goroutine
	// of its own, every 10,000 records, before old ones are deleted and after some were lost while services ran. An error means that it
	// is tried again later and that nothing is deleted. Without it nothing is ever deleted.
	Snapshot func(ctx context.Context) error

	Now    func() *events.Instant // for retention and the times of Gap records; by default both clocks of the kernel
	Logger zerolog.Logger

	// Fatal is called when the goroutine that writes panics; it must not return. Without it the process ends as after any
	// other panic.
	Fatal func(reason any)

	retry    time.Duration // between tries while degraded
	patience time.Duration // how long Append waits for the disk
}

const (
	patience      = time.Second
	retryInterval = time.Second
	syncInterval  = 200 * time.Millisecond
	openPatience  = 10 * time.Second
)

// Names of the files in the state directory.
const (
	databaseName = "journal.db"
	headName     = "journal.head"
)

// ErrClosed is returned by what is used after Close.
var ErrClosed = errors.New("journal is closed")

var errNoDatabase = errors.New("cannot read the journal: the database is not there")

// Journal is the event store. All methods are safe for concurrent use.
type Journal struct {
	options Options
	log     zerolog.Logger

	wake    chan struct{} // capacity 1: there is something to commit
	closing chan struct{}
	opened  chan struct{} // closed after the first try to open the database
	ended   chan struct{} // closed when the committer has returned
	flusher sync.Mutex    // one flush at a time
	work    sync.WaitGroup

	working  context.Context // ends with the journal
	stopWork context.CancelFunc

	mu     sync.Mutex // never held during I/O
	queue  queue
	store  *store // nil while there is no database
	head   *head
	closed bool

	committed uint64          // newest sequence in the database
	synced    uint64          // newest sequence that a power cut cannot take
	visible   uint64          // newest sequence that readers may see: recorded, or acknowledged as buffered
	recent    []events.Record // newest committed records, so that live readers need no query
	moved     []renumbering   // what readers and callers must translate
	published chan struct{}   // closed when visible advances; nil while nobody waits

	reason    string          // why the journal is degraded; empty while it is not
	since     *events.Instant // when that began
	losses    []Loss
	lost      uint64 // records of all losses, and those that memory could not hold
	bytes     int64
	changed   chan struct{} // closed when the status changes
	doubt     bool          // the path leads elsewhere, or reading failed: the committer must open the database again
	broken    error         // why it must set the database aside before
	checked   bool          // every record in the database
	unsafe    bool          // a sync failed, so that the next one must do more
	syncArmed bool
	unmoved   int // records since the last checkpoint

	snapshotsOwed bool // records were lost while services ran
	maintaining   bool
	putOff        bool // the last try to maintain failed
	unchecked     int  // records since retention last looked
	unsnapped     int  // records since every service took a snapshot
}

// Open opens the journal of a state directory, or begins one. It returns an error only for options that make no sense:
// where the directory cannot be used yet the journal opens degraded and goes on trying.
func Open(options Options) (*Journal, error) {
	if !filepath.IsAbs(options.Dir) {
		return nil, fmt.Errorf("cannot open journal in %q: the path is not absolute", options.Dir)
	}

	if options.Mount != "" && !filepath.IsAbs(options.Mount) {
		return nil, fmt.Errorf("cannot open journal under mount %q: the path is not absolute", options.Mount)
	}

	options.setDefaults()

	j := &Journal{
		options: options, log: options.Logger,
		wake: make(chan struct{}, 1), closing: make(chan struct{}), opened: make(chan struct{}), ended: make(chan struct{}),
		changed: make(chan struct{}),
		queue:   queue{next: 1, maxRecords: options.RingEvents, maxBytes: options.RingBytes, instant: options.Now},
	}
	j.working, j.stopWork = context.WithCancel(context.Background())

	go j.commit()

	timer := time.NewTimer(openPatience)
	defer timer.Stop()

	select {
	case <-j.opened:
	case <-timer.C:
		j.degradeIf("the state directory gives no answer", func() bool { return j.store == nil })
	}

	return j, nil
}

func (o *Options) setDefaults() {
	setDefault(&o.RingEvents, 20000)
	setDefault(&o.RingBytes, 8<<20)
	setDefault(&o.MaxAge, 90*24*time.Hour)
	setDefault(&o.MaxBytes, 32<<20) // about 80,000 records
	setDefault(&o.retry, retryInterval)
	setDefault(&o.patience, patience)

	if o.Now == nil {
		o.Now = kernelClocks
	}
}

func setDefault[T comparable](option *T, value T) {
	var zero T
	if *option == zero {
		*option = value
	}
}

// path is that of the database.
func (j *Journal) path() string { return filepath.Join(j.options.Dir, databaseName) }

// Close writes and syncs what is left and closes the database. It waits as long as Append does where the journal is
// degraded, and five times as long where the disk only seems to be slow; the error says what was not done by then.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()

		return nil
	}

	wait := 5 * j.options.patience
	if j.reason != "" {
		wait = j.options.patience
	}

	j.closed = true
	close(j.closing)
	j.publish()
	j.announce()
	j.mu.Unlock()

	timer := time.NewTimer(wait)
	defer timer.Stop()

	ended := true
	select {
	case <-j.ended:
	case <-timer.C:
		ended = false
	}

	j.mu.Lock()
	left, reason := j.queue.records, j.reason
	j.mu.Unlock()

	switch {
	case left > 0:
		return fmt.Errorf("cannot write the last %d records to %q: %s", left, j.path(), cmp.Or(reason, "the disk gives no answer"))
	case !ended && reason == "":
		return fmt.Errorf("cannot close %q: the disk gives no answer", j.path())
	}

	return nil
}

// Status is how a journal does.
type Status struct {
	Degraded bool
	Reason   string          // why, in plain words
	Since    *events.Instant // since when it is degraded; nil while it is not
	Buffered int             // records that are in memory only
	Lost     uint64          // records known to be gone since Open: those of Losses, and those that memory could not hold
	Revision uint64          // sequence of the newest record
	Synced   uint64          // sequence of the newest record that a power cut cannot take
	Losses   []Loss          // what was found to be missing or damaged since Open, oldest first, at most 100
	Checked  bool            // every record was read since Open, so that Losses is all there is; until then it may grow
	Path     string          // of the database
	Bytes    int64           // that records take in it
}

// Loss is something that was once recorded and cannot be read any more.
type Loss struct {
	From, To uint64 // sequences, both included; 0 where they are not known
	Records  uint64 // how many; 0 where that is not known
	Reason   string
}

const maxLosses = 100

// Status returns how the journal does now. It never blocks on the disk.
func (j *Journal) Status() Status {
	status, _ := j.Watch()

	return status
}

// Watch returns the status and a channel that is closed when Degraded, Reason, Losses or Checked are no longer what
// they were, when the first record did not fit into memory, and when old records were deleted.
func (j *Journal) Watch() (Status, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()

	status := Status{
		Degraded: j.reason != "", Reason: j.reason, Since: j.since, Lost: j.lost, Revision: j.queue.next - 1, Synced: j.synced,
		Losses: slices.Clone(j.losses), Checked: j.checked, Path: j.path(), Bytes: j.bytes,
	}
	if status.Degraded {
		status.Buffered = j.queue.records
	}

	return status, j.changed
}

// announce wakes those who watch the status; the lock is held.
func (j *Journal) announce() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// lose reports a loss; the lock is held.
func (j *Journal) lose(loss Loss) {
	if loss.From > 0 {
		loss.Records = loss.To - loss.From + 1
	}

	if slices.Contains(j.losses, loss) {
		return
	}

	j.log.Error().Uint64("from", loss.From).Uint64("to", loss.To).Msg("journal: " + loss.Reason)

	j.lost += loss.Records

	j.losses = append(j.losses, loss)
	if len(j.losses) > maxLosses {
		j.losses = slices.Delete(j.losses, 0, len(j.losses)-maxLosses)
	}

	j.announce()
}
