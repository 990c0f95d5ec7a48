package logs

import (
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// changes tells readers that a directory of segments changed. All readers of a process share one inotify instance,
// because a user has only 128 of them.
var changes hub

type hub struct {
	mutex       sync.Mutex
	watcher     *fsnotify.Watcher // nil while nobody listens
	subscribers map[string]map[news]struct{}
}

// news is what changes are told to. It holds one: changes that come faster than they are received are one.
type news chan struct{}

func newNews() news { return make(news, 1) }

// subscribe has each change of a directory told from now on. The caller calls stop in the end.
func (h *hub) subscribe(directory string, channel news) (stop func(), err error) {
	// The same directory under two names would be one watch, reported under one of them.
	if directory, err = filepath.Abs(directory); err != nil {
		return nil, err
	}
	if directory, err = filepath.EvalSymlinks(directory); err != nil {
		return nil, err
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.watcher == nil {
		if h.watcher, err = fsnotify.NewWatcher(); err != nil {
			return nil, err
		}
		h.subscribers = map[string]map[news]struct{}{}
		go h.dispatch(h.watcher)
	}
	// Added even where it is watched already: it may have been deleted and made anew.
	if err := h.watcher.Add(directory); err != nil {
		h.closeIfUnused()
		return nil, err
	}
	if h.subscribers[directory] == nil {
		h.subscribers[directory] = map[news]struct{}{}
	}
	h.subscribers[directory][channel] = struct{}{}
	return sync.OnceFunc(func() { h.unsubscribe(directory, channel) }), nil
}

func (h *hub) unsubscribe(directory string, channel news) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	delete(h.subscribers[directory], channel)
	if len(h.subscribers[directory]) == 0 {
		delete(h.subscribers, directory)
		_ = h.watcher.Remove(directory) // fails where the directory is gone, and the watch with it
	}
	h.closeIfUnused()
}

func (h *hub) closeIfUnused() {
	if len(h.subscribers) == 0 {
		h.watcher.Close()
		h.watcher = nil
	}
}

func (h *hub) dispatch(watcher *fsnotify.Watcher) {
	for {
		select {
		case event, open := <-watcher.Events:
			if !open {
				return
			}
			h.wake(filepath.Dir(event.Name))
		case _, open := <-watcher.Errors:
			if !open {
				return
			}
			h.wakeAll() // the queue overflowed: anything may have changed
		}
	}
}

func (h *hub) wake(directory string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	for channel := range h.subscribers[directory] {
		select {
		case channel <- struct{}{}:
		default: // it was woken already
		}
	}
}

func (h *hub) wakeAll() {
	h.mutex.Lock()
	directories := slices.Collect(maps.Keys(h.subscribers))
	h.mutex.Unlock()
	for _, directory := range directories {
		h.wake(directory)
	}
}
