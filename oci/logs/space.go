package logs

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// keepAlways is how much of its log a service keeps on a full disk. Where no log is larger, it is not logs that
	// fill the disk.
	keepAlways = 64 << 10
	// roomPause is how long is waited before looking for room again, in which bytes are discarded where they do not
	// fit: a service that prints a lot must not keep logd busy with looking.
	roomPause = time.Second
)

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// makeRoom deletes the oldest segment of the service with the largest log, and tells whether it found one. It is called
// where the disk is full. A log that has one segment only loses it all, as fresh lines are worth more than old ones.
func (d *logd) makeRoom(now time.Time) bool {
	if now.Before(d.noRoomUntil) {
		return false
	}
	id, segments := d.largest()
	if len(segments) == 1 && d.streams[id] != nil {
		// The one that is being written to cannot be deleted before there is a newer one.
		if err := d.streams[id].rotate(); err != nil {
			d.options.Report(err)
			segments = nil
		}
	}
	if len(segments) > 0 {
		err := segments[0].remove()
		if err == nil {
			return true
		}
		d.options.Report(err)
	}
	d.noRoomUntil = now.Add(roomPause)
	return false
}

// largest returns the service that uses most, with its segments; none where no service uses more than it always keeps.
func (d *logd) largest() (id string, segments []segment) {
	largest := uint64(keepAlways)
	entries, err := os.ReadDir(d.options.Dir.Files)
	if err != nil {
		d.options.Report(err)
	}
	for _, entry := range entries {
		found, err := listSegments(d.options.Dir.segments(entry.Name()))
		if err != nil || len(found) == 0 {
			continue
		}
		if used := usage(found); used > largest {
			largest, id, segments = used, entry.Name(), found
		}
	}
	return id, segments
}

// usage is how many bytes segments and their indexes have.
func usage(segments []segment) (bytes uint64) {
	for _, segment := range segments {
		for _, path := range []string{segment.path(), segment.indexPath()} {
			if info, err := os.Stat(path); err == nil {
				bytes += uint64(info.Size())
			}
		}
	}
	return bytes
}
