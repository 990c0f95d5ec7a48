package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/journal"
)

// copied reads a private copy of a journal, of which nothing stays behind, also where a signal ends the program: Ctrl-C, or
// the end of whoever reads what it prints.
type copied struct {
	*journal.Reader
	signals chan os.Signal
}

// openCopy copies and opens a file, or the one in a state directory.
func openCopy(path string) (*copied, error) {
	scratch, err := os.MkdirTemp("", "extactor-journal-")
	if err != nil {
		return nil, fmt.Errorf("cannot copy journal %q to a temporary directory (TMPDIR): %w", path, err)
	}

	reader := &copied{signals: make(chan os.Signal, 1)}

	signal.Notify(reader.signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE)

	go reader.tidy(scratch)

	if reader.Reader, err = journal.OpenReadOnlyIn(scratch, path); err != nil {
		reader.unsubscribe()

		if errors.Is(err, unix.ENOSPC) {
			err = fmt.Errorf("%w; what it is copied to can be another directory (TMPDIR)", err)
		}

		return nil, err
	}

	return reader, nil
}

// tidy deletes the copy when a signal comes, and then lets that do what it would have done.
func (c *copied) tidy(scratch string) {
	for received := range c.signals {
		pipe := received == unix.SIGPIPE
		if pipe && !unread(os.Stdout) && !unread(os.Stderr) {
			continue // of a connection
		}

		_ = os.RemoveAll(scratch)

		if pipe {
			os.Exit(interrupted{unix.SIGPIPE}.code())
		}

		signal.Stop(c.signals)

		if number, ok := received.(syscall.Signal); ok {
			_ = unix.Kill(os.Getpid(), number)
		}

		return
	}
}

// unread tells whether nobody can read any more what is written to a file.
func unread(file *os.File) bool {
	asked := []unix.PollFd{{Fd: int32(file.Fd())}}
	_, err := unix.Poll(asked, 0)

	return err == nil && asked[0].Revents&unix.POLLERR != 0
}

func (c *copied) unsubscribe() {
	signal.Stop(c.signals)
	close(c.signals)
}

// Close deletes the copy.
func (c *copied) Close() error {
	err := c.Reader.Close()
	c.unsubscribe()

	return err
}
