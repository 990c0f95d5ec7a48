package main

import (
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// wishes are what signals ask of the daemon: each channel is closed once.
type wishes struct {
	stop  chan struct{} // SIGTERM, SIGINT: stop all services, then end
	hurry chan struct{} // the second of them: kill what has not stopped yet
	leave chan struct{} // SIGUSR1: end, and leave everything running for the next daemon
}

// listen turns signals into wishes until it is told to end. A third SIGTERM or SIGINT ends the process by itself, as it
// would any other. The end of a terminal (SIGHUP) may ask for the stop too, but never hurries.
func listen(also ...os.Signal) (wishes, func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, append(also, unix.SIGTERM, unix.SIGINT, unix.SIGUSR1)...)

	wanted := wishes{stop: make(chan struct{}), hurry: make(chan struct{}), leave: make(chan struct{})}

	go wanted.follow(signals, time.Now)

	return wanted, func() {
		signal.Stop(signals)
		close(signals)
	}
}

// echo is how soon after the first a second signal is still the same wish: who ends a process often tells both it and its
// group.
const echo = 50 * time.Millisecond

func (w wishes) follow(signals <-chan os.Signal, now func() time.Time) {
	stops, left := 0, false

	var first time.Time

	for received := range signals {
		switch {
		case received == unix.SIGUSR1 && stops == 0 && !left:
			left = true

			close(w.leave)
		case received == unix.SIGUSR1:
		case received == unix.SIGHUP && stops > 0:
		case stops == 1 && now().Sub(first) < echo:
		default:
			stops++

			switch stops {
			case 1:
				first = now()

				close(w.stop)
			case 2:
				close(w.hurry)
				signal.Reset(unix.SIGTERM, unix.SIGINT)
			}
		}
	}
}

// hangUpWithReader makes the end of whoever reads standard error the same as the end of a terminal. The signal of a line
// that cannot be written any more (SIGPIPE) would end this process at once; it is not told apart from that of any
// client that went away, so it is only kept from doing that.
func hangUpWithReader() {
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)

	go func() {
		for {
			// Without any event that is asked for, it returns only when the other end is gone; never, for a file.
			reader := []unix.PollFd{{Fd: int32(os.Stderr.Fd())}}

			_, err := unix.Poll(reader, -1)
			if err == unix.EINTR {
				continue
			}

			if err == nil && reader[0].Revents&unix.POLLNVAL == 0 {
				_ = unix.Kill(os.Getpid(), unix.SIGHUP)
			}

			return
		}
	}()
}
