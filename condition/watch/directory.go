package watch

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/condition"
)

// Directory calls changed, from another goroutine and one call at a time, after a file directly in the directory was
// added, removed, renamed, replaced or written (and closed), or the directory itself appeared, disappeared, was replaced
// or had something mounted over it or above it. Files count as changed too where a symbolic link in the directory leads to
// what changed. Subdirectories and permissions do not count.
//
// Changes that follow each other are told by one call: when nothing happened for 200 ms, and two seconds after the first of
// them at the latest. A call always follows the last change. What is as it was at the end of it all, such as a file that
// an editor made and deleted at once, is not told, but a file that was written is, even with the content it had.
//
// Whatever changes after Directory has returned is told; what it was before is not. To see that it waits for one look at
// the directory, for a second at most. After stop has returned no call begins or is under way: so stop must not be called
// from within changed. It may be called more than once. After Close nothing is told.
func (w *Watchers) Directory(path string, changed func()) (stop func()) {
	d := newDirectory(w, path, changed)

	w.mu.Lock()

	if w.closed {
		w.mu.Unlock()

		return func() {}
	}

	w.directories[d] = struct{}{}
	d.source.look()
	w.mu.Unlock()

	select {
	case <-d.ready:
	case <-time.After(closeTimeout):
		d.touched(unix.IN_Q_OVERFLOW, "") // what happens until the first look is over may go unseen, so it counts
	}

	return func() {
		d.silence()

		w.mu.Lock()
		delete(w.directories, d)
		w.mu.Unlock()

		d.source.end()
	}
}

// directory observes the files of one directory.
type directory struct {
	watchers *Watchers
	source   *source
	path     string
	ready    chan struct{} // closed after the first look

	// What the looks need, which are made one at a time.
	interests map[int32][]string // the kernel watches that tell of changes
	silent    map[int32]bool     // those of them on a file system that inotify does not tell all of
	reported  string             // why it is polled, as last reported
	told      listing            // what was there at the last call of changed; nil before the first look
	latest    listing            // what was there at the last look

	mu     sync.Mutex
	burst  burst // changes that are not told yet
	polled bool  // changes may go unseen

	calling sync.Mutex // held during changed
	changed func()     // nil after stop
}

func newDirectory(w *Watchers, path string, changed func()) *directory {
	if !filepath.IsAbs(path) {
		if working, err := os.Getwd(); err == nil {
			path = working + "/" + path // not cleaned: "link/.." depends on the link
		}
	}

	d := &directory{
		watchers: w, path: path, changed: changed, ready: make(chan struct{}), silent: map[int32]bool{},
	}
	d.source = &source{observer: d, running: &w.running}

	return d
}

// touched notes a change; when it has settled there is a look.
func (d *directory) touched(mask uint32, name string) {
	if mask == 0 {
		d.source.look() // which notes what it finds

		return
	}

	d.mu.Lock()
	defer d.mu.Unlock()

	d.burst.add(time.Now(), name)

	// Events were lost, or what a symbolic link leads to was written.
	if mask&unix.IN_Q_OVERFLOW != 0 || name == "" && mask&(unix.IN_MODIFY|unix.IN_CLOSE_WRITE) != 0 {
		d.burst.certain = true
	}

	d.arm()
}

// arm is called with the lock held.
func (d *directory) arm() {
	switch {
	case d.burst.begun():
		d.source.lookAfter(time.Until(d.burst.due()))
	case d.polled:
		d.source.lookAfter(d.watchers.options.PollInterval)
	}
}

func (d *directory) observe(func(condition.Fact)) {
	hang := time.AfterFunc(hangTimeout, func() {
		d.watchers.options.Logger.Warn().Str("directory", d.path).Stringer("for", hangTimeout).
			Msg("the file system does not answer: changes of the directory go unseen")
	})
	defer hang.Stop()

	over := d.takeBurst() // before the look: what happens from here on begins another
	entries, failure, blind := d.place()
	seen := list(d.path, entries, failure)
	d.report(blind)

	if d.told == nil {
		d.told, d.latest = seen, seen
		close(d.ready)
	}

	if d.judge(over, seen, blind != nil) {
		d.told = seen
		d.call()
	}
}

// takeBurst returns the burst if it is over.
func (d *directory) takeBurst() burst {
	d.mu.Lock()
	defer d.mu.Unlock()

	if !d.burst.begun() || time.Now().Before(d.burst.due()) {
		return burst{}
	}

	over := d.burst
	d.burst = burst{}

	return over
}

// judge decides what a look means, and when the next is due.
func (d *directory) judge(over burst, seen listing, polled bool) (changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()

	now := time.Now()
	moved := !seen.equal(d.latest)
	d.latest, d.polled = seen, polled

	switch {
	case over.begun() && moved && polled && now.Before(over.first.Add(burstLimit)):
		// No event says that it goes on, but it does.
		d.burst.extend(over, now)
	case over.begun():
		changed = over.changed(d.told, seen)
	case moved && (polled || !d.burst.begun()):
		d.burst.add(now, "")
	}

	d.arm()

	return changed
}

// place puts watches on the directory, on every place that its path leads through, and on what symbolic links in it lead
// to. It returns what is in the directory, or why that is unknown; and why changes may go unseen, or nil.
func (d *directory) place() (entries []fs.DirEntry, failure, blind error) {
	walk := walk{
		tree: d.watchers.tree, observer: d, content: true,
		watched: map[int32][]string{}, silent: d.silent, blind: d.watchers.tree.open(d),
	}

	end := walk.follow(d.path)
	if end != "" {
		walk.watch(end, "", entryEvents)
	}

	entries, failure = os.ReadDir(d.path)

	for _, one := range entries {
		if end != "" && one.Type()&fs.ModeSymlink != 0 {
			walk.follow(filepath.Join(end, one.Name()))
		}
	}

	d.watchers.tree.keep(d, d.interests, walk.watched)
	d.interests = walk.watched

	maps.DeleteFunc(d.silent, func(descriptor int32, _ bool) bool { return walk.watched[descriptor] == nil })

	return entries, failure, walk.blind
}

// report says once why the directory is polled.
func (d *directory) report(reason error) {
	switch {
	case reason == nil:
		d.reported = ""
	case reason.Error() != d.reported:
		d.reported = reason.Error()
		d.watchers.options.Logger.Warn().Str("directory", d.path).Err(reason).
			Stringer("interval", d.watchers.options.PollInterval).Msg("looking at the directory at intervals")
	}
}

// call calls changed unless stop was called.
func (d *directory) call() {
	d.calling.Lock()
	defer d.calling.Unlock()

	if d.changed != nil {
		d.changed()
	}
}

func (d *directory) silence() {
	d.calling.Lock()
	defer d.calling.Unlock()

	d.changed = nil
}

func (d *directory) release() {
	if d.told == nil {
		close(d.ready)
	}

	d.watchers.tree.leave(d, d.interests)
}
