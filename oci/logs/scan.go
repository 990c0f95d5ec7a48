package logs

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// scanPause is how often FIFOs are looked for where nobody tells of new ones: more often than those who wait for a log to
// be taken give up.
const scanPause = 200 * time.Millisecond

// watchFIFOs has the kernel tell of changes in the directory of FIFOs. A user may have used up all of what it takes for
// that, so that logd goes on without.
func (d *logd) watchFIFOs() error {
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("cannot create inotify: %w", err)
	}
	const changes = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ONLYDIR
	if _, err = unix.InotifyAddWatch(watch, d.options.Dir.FIFOs, changes); err == nil {
		err = d.await(watch)
	}
	if err != nil {
		unix.Close(watch)
		return fmt.Errorf("cannot watch %s: %w", d.options.Dir.FIFOs, err)
	}
	d.watch = watch
	return nil
}

// blind tells whether there may be a FIFO that nobody tells of, so that it has to be looked for.
func (d *logd) blind() bool { return d.unread || d.watch < 0 }

// forgetEvents empties the queue of inotify. An event only says that the directory must be read again, so that one that
// was lost or merged does no harm.
func (d *logd) forgetEvents() {
	var buffer [4096]byte
	for {
		if n, err := unix.Read(d.watch, buffer[:]); n <= 0 || err != nil {
			return
		}
	}
}

// scan opens FIFOs that are new in the directory and closes those that are gone or were replaced.
func (d *logd) scan() {
	d.unread, d.noScanUntil = false, time.Now().Add(scanPause)
	entries, err := os.ReadDir(d.options.Dir.FIFOs)
	if err != nil {
		d.unread = true
		d.options.Report(fmt.Errorf("cannot list FIFOs: %w", err))
		return
	}
	present := map[string]bool{}
	for _, entry := range entries {
		id := entry.Name()
		var stat unix.Stat_t
		if unix.Lstat(d.options.Dir.FIFO(id), &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
			continue
		}
		s := d.streams[id]
		if s != nil && (s.device != stat.Dev || s.inode != stat.Ino) {
			d.drop(s)
			s = nil
		}
		if s == nil {
			if err := d.add(id); err != nil {
				d.unread = true
				d.options.Report(fmt.Errorf("cannot read log %q: %w", id, err))
				continue
			}
		}
		present[id] = true
	}
	for id, s := range d.streams {
		if !present[id] {
			d.drop(s)
		}
	}
}

func (d *logd) add(id string) error {
	s, err := newStream(&d.options, id)
	if err != nil {
		return err
	}
	if err := d.await(s.fifo); err != nil {
		s.close()
		return err
	}
	d.streams[id], d.byFIFO[int32(s.fifo)] = s, s
	d.untold = d.untold || s.losses.untold()
	return nil
}
