package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// wishes are what signals ask of the daemon: each channel is closed once.
type wishes struct {
	stop  chan struct{} // SIGTERM, SIGINT: stop all services, then end
	hurry chan struct{} // the second of them: kill what has not stopped yet
	leave chan struct{} // SIGUSR1: end, and leave everything running for the next daemon
}

// listen turns signals into wishes until it is told to end. A third SIGTERM or SIGINT ends the process by itself, as it
// would any other. What comes with the end of a terminal (SIGHUP, SIGPIPE) may ask for the stop too: once, as every line
// that cannot be written any more sends another.
func listen(atEnd ...os.Signal) (wishes, func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, append(atEnd, unix.SIGTERM, unix.SIGINT, unix.SIGUSR1)...)

	wanted := wishes{stop: make(chan struct{}), hurry: make(chan struct{}), leave: make(chan struct{})}

	go wanted.follow(signals)

	return wanted, func() {
		signal.Stop(signals)
		close(signals)
	}
}

func (w wishes) follow(signals <-chan os.Signal) {
	stops, left := 0, false

	for received := range signals {
		switch {
		case received == unix.SIGUSR1 && stops == 0 && !left:
			left = true

			close(w.leave)
		case received == unix.SIGUSR1:
		case stops > 0 && (received == unix.SIGHUP || received == unix.SIGPIPE):
		default:
			stops++

			switch stops {
			case 1:
				close(w.stop)
			case 2:
				close(w.hurry)
				signal.Reset(unix.SIGTERM, unix.SIGINT)
			}
		}
	}
}
