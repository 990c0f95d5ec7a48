package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

const readyLine = "ready\n"

// Options are those of logd. Only Dir is required.
type Options struct {
	Dir         Dir
	Version     string      // of this program, for those who find logd running
	SegmentSize int64       // bytes after which a new segment is begun; 10 MiB by default
	Segments    int         // how many segments of each log are kept; 3 by default
	Ready       io.Writer   // gets a line when every FIFO is being read; os.Stdout where StartDaemon starts the process
	Report      func(error) // called with what went wrong but does not end logd
}

func (o *Options) setDefaults() {
	if o.SegmentSize <= 0 {
		o.SegmentSize = 10 << 20
	}
	if o.Segments <= 0 {
		o.Segments = 3
	}
	if o.Ready == nil {
		o.Ready = io.Discard
	}
	if o.Report == nil {
		o.Report = func(error) {}
	}
}

// logd moves bytes from all FIFOs into files, in one thread: whatever needs attention is a descriptor in one epoll set.
type logd struct {
	options     Options
	lock        *os.File
	epoll       int
	watch       int // inotify on the directory of FIFOs, -1 where there is none to be had
	wake        int // eventfd that ends the loop
	null        int // /dev/null
	streams     map[string]*stream
	byFIFO      map[int32]*stream
	noRoomUntil time.Time
	unread      bool // some FIFO could not be opened
	noScanUntil time.Time
	untold      bool // some log does not say yet what it lost
	noTellUntil time.Time
}

// Run is logd: it moves the bytes of every FIFO in the directory, and of those that appear there, into files, until the
// context ends. It fails at once where another one is running. Being killed at any moment loses nothing: what is not in
// a file yet stays in its FIFO as long as somebody holds it. On a disk that stays full bytes are discarded, and a line
// in the log says how many, once it can be written.
func Run(ctx context.Context, options Options) error {
	d, err := begin(options)
	if err != nil {
		return fmt.Errorf("cannot start logd: %w", err)
	}
	defer d.close()
	stop := context.AfterFunc(ctx, func() { _, _ = unix.Write(d.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })
	defer stop()
	// Whoever started logd may be gone, and the other end of standard output and error with it.
	signal.Ignore(unix.SIGPIPE)
	_, _ = io.WriteString(d.options.Ready, readyLine)
	return d.loop(ctx)
}

// flush is a logd that moves only what is in the FIFOs now. It fails where another one is running.
func flush(options Options) error {
	d, err := begin(options)
	if err != nil {
		return fmt.Errorf("cannot empty the FIFOs of logs: %w", err)
	}
	defer d.close()
	d.emptyAll()
	return nil
}

// begin takes the lock and opens every FIFO.
func begin(options Options) (*logd, error) {
	options.setDefaults()
	for _, path := range []string{options.Dir.FIFOs, options.Dir.Files} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := acquire(options.Dir, options.Version)
	if err != nil {
		return nil, err
	}
	d := &logd{
		options: options, lock: lock, epoll: -1, watch: -1, wake: -1, null: -1,
		streams: map[string]*stream{}, byFIFO: map[int32]*stream{},
	}
	if err := d.open(); err != nil {
		d.close()
		return nil, err
	}
	d.scan()
	d.tellLosses(time.Now())
	return d, nil
}

func (d *logd) open() (err error) {
	if d.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("cannot create epoll: %w", err)
	}
	if d.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("cannot create eventfd: %w", err)
	}
	if d.null, err = unix.Open(os.DevNull, unix.O_WRONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("cannot open %s: %w", os.DevNull, err)
	}
	if err := d.watchFIFOs(); err != nil {
		d.options.Report(fmt.Errorf("looking for new FIFOs every %v: %w", scanPause, err))
	}
	return d.await(d.wake)
}

// await adds a descriptor to the epoll set.
func (d *logd) await(fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(d.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("cannot add to epoll: %w", err)
	}
	return nil
}

func (d *logd) close() {
	for _, s := range d.streams {
		s.close()
	}
	for _, fd := range []int{d.epoll, d.watch, d.wake, d.null} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	d.lock.Close()
}

func (d *logd) loop(ctx context.Context) error {
	events := make([]unix.EpollEvent, 64)
	for {
		timeout := -1
		if d.untold {
			timeout = int(roomPause / time.Millisecond)
		}
		if d.blind() {
			timeout = int(scanPause / time.Millisecond)
		}
		n, err := unix.EpollWait(d.epoll, events, timeout)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("cannot wait for FIFOs: %w", err)
		}
		for _, event := range events[:max(n, 0)] {
			switch {
			case int(event.Fd) == d.watch:
				d.forgetEvents()
				d.scan()
			case d.byFIFO[event.Fd] != nil: // not one that scan has closed since
				d.pump(d.byFIFO[event.Fd])
			}
		}
		if ctx.Err() != nil {
			d.emptyAll()
			return nil
		}
		if now := time.Now(); d.blind() && now.After(d.noScanUntil) {
			d.scan()
		}
		d.tellLosses(time.Now())
	}
}

// emptyAll leaves nothing in any FIFO.
func (d *logd) emptyAll() {
	for _, s := range d.streams {
		d.empty(s)
	}
	d.noTellUntil = time.Time{}
	d.tellLosses(time.Now())
}

// drop closes a FIFO, which takes it out of the epoll set too, after what it still holds.
func (d *logd) drop(s *stream) {
	d.empty(s)
	delete(d.byFIFO, int32(s.fifo))
	delete(d.streams, s.id)
	s.close()
}

// empty moves what is in a FIFO, and not for ever where a service goes on printing.
func (d *logd) empty(s *stream) {
	for range 16 {
		if empty, err := isEmpty(s.fifo); empty || err != nil {
			return
		}
		d.pump(s)
	}
}

// pump moves one chunk, or makes room for it, or discards it.
func (d *logd) pump(s *stream) {
	err := s.move()
	if err == nil || isFull(err) && d.makeRoom(time.Now()) {
		return
	}
	if !s.losses.untold() {
		d.options.Report(fmt.Errorf("cannot write log %q, discarding: %w", s.id, err))
	}
	if err := s.losses.discard(s.fifo, d.null); err != nil {
		d.options.Report(fmt.Errorf("cannot discard log %q: %w", s.id, err))
	}
	d.untold = d.untold || s.losses.untold()
}

// tellLosses tries, at most once in a while, to write what was lost into logs of services that print nothing now.
func (d *logd) tellLosses(now time.Time) {
	if !d.untold || now.Before(d.noTellUntil) {
		return
	}
	d.noTellUntil = now.Add(roomPause)
	d.untold = false
	for _, s := range d.streams {
		if s.losses.untold() {
			_ = s.tellLosses() // the reason was reported when the first byte was lost
			d.untold = d.untold || s.losses.untold()
		}
	}
}
