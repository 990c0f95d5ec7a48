package watch

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// Changes of a directory's entries, and of the directory's own place. Writes to the files in it are left out: a
	// busy /dev or /var/log would wake us for nothing.
	directoryEvents = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_DONT_FOLLOW
	// The same, and the end of each write to a file in the directory.
	entryEvents = directoryEvents | unix.IN_CLOSE_WRITE
	// Changes of a file's content.
	contentEvents = unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_DONT_FOLLOW

	mountinfoFile = "/proc/self/mountinfo"
)

// tree tells path observers of changes in the directories that their paths lead through: one inotify instance, and one
// poll of the mount table, because a mount over a directory gives inotify nothing.
//
// It uses inotify itself and not fsnotify, which names watches by path: it cannot follow a path whose inode changes under
// a mount or a rename, it holds its lock while the kernel looks up a path (on a dead NFS server: for ever), and it always
// asks for writes.
type tree struct {
	mu         sync.Mutex // never held while a path is looked up
	closed     bool
	inotify    *os.File // nil until the first path is watched
	connection interface{ Control(func(uintptr)) error }
	stopMounts func()
	done       chan struct{} // closed when the inotify reader has ended
	nodes      map[int32]*node
	removals   uint64 // how many kernel watches were removed so far
	observers  map[onlooker]struct{}
}

// An onlooker is told of events where it has put its interests.
type onlooker interface {
	// touched is told of an event of the kernel: see inotify(7). A mask of zero says that anything may have changed
	// without an event. It must not block.
	touched(mask uint32, name string)
}

// node is a directory, or a file whose content matters, under one kernel watch.
type node struct {
	interests map[onlooker][]string // the names each onlooker looks up in it; "" for whatever happens to it or in it
}

func newTree() *tree {
	return &tree{nodes: map[int32]*node{}, observers: map[onlooker]struct{}{}}
}

// open opens what is not open yet, and registers the observer for what concerns all of them.
func (t *tree) open(observer onlooker) error {
	t.mu.Lock()
	defer t.mu.Unlock()

	if t.closed {
		return os.ErrClosed
	}

	t.observers[observer] = struct{}{}

	return errors.Join(t.openInotify(), t.openMounts())
}

func (t *tree) openInotify() error {
	if t.inotify != nil {
		return nil
	}

	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("cannot open inotify (see fs.inotify.max_user_instances): %w", err)
	}

	file := os.NewFile(uintptr(fd), "inotify")

	connection, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()

		return fmt.Errorf("cannot use inotify: %w", err)
	}

	t.inotify, t.connection, t.done = file, connection, make(chan struct{})

	go t.read(file, t.done)

	return nil
}

func (t *tree) openMounts() error {
	if t.stopMounts != nil {
		return nil
	}

	// notify calls back from a goroutine, which waits for the lock that is held here.
	stop, err := notify(mountinfoFile, func() { t.touchAll(0) })
	if err == nil {
		t.stopMounts = stop
	}

	return err
}

// add has events of the node at the path told to the observer: for a directory, when one of its entries of that name
// changes, or any (name ""); for a file (name ""), when its content does. It may block for as long as the file system does.
func (t *tree) add(observer onlooker, path, name string, events uint32) (descriptor int32, fresh bool, err error) {
	for {
		t.mu.Lock()
		connection, removals := t.connection, t.removals
		t.mu.Unlock()

		if connection == nil {
			return 0, false, os.ErrClosed
		}

		wd := 0

		if problem := connection.Control(func(fd uintptr) {
			// The kernel keeps one mask for an inode: it shall have what every observer of it asks for.
			wd, err = unix.InotifyAddWatch(int(fd), path, events|unix.IN_MASK_ADD)
		}); problem != nil {
			err = problem
		}

		if err != nil {
			return 0, false, err
		}

		if fresh, ok := t.register(observer, int32(wd), name, removals); ok {
			return int32(wd), fresh, nil
		}
	}
}

// register notes an interest. It fails where the kernel's watch may have been removed by another observer between its
// creation and now: then it must be asked for again.
func (t *tree) register(observer onlooker, descriptor int32, name string, removals uint64) (fresh, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()

	known := t.nodes[descriptor]
	if known == nil {
		if t.removals != removals {
			return false, false
		}

		known = &node{interests: map[onlooker][]string{}}
		t.nodes[descriptor] = known
	}

	before := known.interests[observer]
	if !slices.Contains(before, name) {
		known.interests[observer] = append(before, name)
	}

	return before == nil, true
}

// keep reduces the interests of an observer to these.
func (t *tree) keep(observer onlooker, before, now map[int32][]string) {
	t.mu.Lock()
	defer t.mu.Unlock()

	for descriptor := range before {
		if _, still := now[descriptor]; !still {
			t.drop(observer, descriptor)
		}
	}

	for descriptor, names := range now {
		if known := t.nodes[descriptor]; known != nil {
			known.interests[observer] = names
		}
	}
}

// drop is called with the lock held.
func (t *tree) drop(observer onlooker, descriptor int32) {
	known := t.nodes[descriptor]
	if known == nil {
		return
	}

	delete(known.interests, observer)

	if len(known.interests) > 0 {
		return
	}

	delete(t.nodes, descriptor)

	t.removals++

	_ = t.connection.Control(func(fd uintptr) {
		_, _ = unix.InotifyRmWatch(int(fd), uint32(descriptor)) // it fails where the inode has gone: as wanted
	})
}

// leave ends all interests of an observer.
func (t *tree) leave(observer onlooker, interests map[int32][]string) {
	t.keep(observer, interests, nil)

	t.mu.Lock()
	delete(t.observers, observer)
	t.mu.Unlock()
}

func (t *tree) touchAll(mask uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()

	for observer := range t.observers {
		observer.touched(mask, "")
	}
}

// handle is one event of the kernel.
func (t *tree) handle(descriptor int32, mask uint32, name string) {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		t.touchAll(mask)

		return
	}

	t.mu.Lock()
	defer t.mu.Unlock()

	known := t.nodes[descriptor]
	if known == nil {
		return
	}

	for observer, names := range known.interests {
		// Some file systems ignore the case of letters; one look too many does no harm.
		if name == "" || slices.ContainsFunc(names, func(n string) bool { return n == "" || strings.EqualFold(n, name) }) {
			observer.touched(mask, name)
		}
	}

	if mask&unix.IN_IGNORED != 0 { // the kernel has removed the watch, because the inode or its file system has gone
		delete(t.nodes, descriptor)
	}
}

func (t *tree) close() {
	t.mu.Lock()
	t.closed = true
	file, done, stopMounts := t.inotify, t.done, t.stopMounts
	t.mu.Unlock()

	if stopMounts != nil {
		stopMounts()
	}

	if file != nil {
		_ = file.Close()

		<-done
	}
}
