package watch

import (
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/extactor/extactor/condition"
)

// hangTimeout is how long a look at a path may take before the log says that it hangs.
const hangTimeout = 5 * time.Second

// files observes what is at one path, or, with content, whether several files exist and are filled.
type files struct {
	watchers *Watchers
	source   *source
	paths    []string
	content  bool

	interests map[int32][]string // the kernel watches that lead to a look, and the names looked up there
	silent    map[int32]bool     // those of them on a file system that inotify does not tell all of
	reported  string             // why it is polled, as last reported
}

func newFiles(w *Watchers, s *source, paths []string, content bool) *files {
	for i, path := range paths {
		if !filepath.IsAbs(path) {
			paths[i] = "/" + path // a service file names absolute paths only
		}
	}

	return &files{watchers: w, source: s, paths: paths, content: content, silent: map[int32]bool{}}
}

func (f *files) observe(publish func(condition.Fact)) {
	hang := time.AfterFunc(hangTimeout, func() {
		f.watchers.options.Logger.Warn().Strs("paths", f.paths).Stringer("for", hangTimeout).
			Msg("the file system does not answer: what waits for the path goes on waiting")
	})
	defer hang.Stop()

	// What is there is said first, without waiting for the watches to be placed.
	publish(f.fact())

	err := f.watchers.tree.open(f)

	walk := walk{
		tree: f.watchers.tree, observer: f, content: f.content,
		watched: map[int32][]string{}, silent: f.silent, blind: err,
	}

	for _, path := range f.paths {
		walk.follow(path)
	}

	f.watchers.tree.keep(f, f.interests, walk.watched)
	f.interests = walk.watched

	maps.DeleteFunc(f.silent, func(descriptor int32, _ bool) bool { return walk.watched[descriptor] == nil })

	// From here on a change leads to another look; this one sees what changed before.
	publish(f.fact())
	f.poll(walk.blind)
}

func (f *files) touched(uint32, string) { f.source.look() }

// poll looks again later where changes may go unseen.
func (f *files) poll(reason error) {
	if reason == nil {
		f.reported = ""

		return
	}

	if text := reason.Error(); text != f.reported {
		f.reported = text
		f.watchers.options.Logger.Warn().Strs("paths", f.paths).Err(reason).
			Stringer("interval", f.watchers.options.PollInterval).Msg("looking at the path at intervals")
	}

	f.source.lookAfter(f.watchers.options.PollInterval)
}

func (f *files) release() { f.watchers.tree.leave(f, f.interests) }

func (f *files) fact() condition.Fact {
	if !f.content {
		_, err := os.Stat(f.paths[0])

		return condition.FileFact{Exists: err == nil}
	}

	seen := map[string]condition.FileFact{}

	for _, path := range f.paths {
		info, err := os.Stat(path)
		seen[path] = condition.FileFact{Exists: err == nil, Empty: err == nil && empty(path, info)}
	}

	return condition.FilesFact{Files: seen}
}

// empty reads where the size is said to be zero, because files of /proc say so always: the kernel's own network
// configuration has /etc/resolv.conf point to /proc/net/pnp.
func empty(path string, info os.FileInfo) bool {
	if !info.Mode().IsRegular() || info.Size() > 0 {
		return false
	}

	file, err := os.Open(path)
	if err != nil {
		return true
	}
	defer file.Close()

	count, _ := file.Read(make([]byte, 1))

	return count == 0
}
