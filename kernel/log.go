package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// longestRecord is the size of the largest record that the kernel hands out.
const longestRecord = 8192

// lossPriority is that of a line about lost ones: a warning of syslog itself.
const lossPriority = 5<<3 | 4

// Log yields the lines of the kernel's log, each with its end: those that the kernel still has, or with tail none of them;
// then with follow those that are written, until the context ends. It never waits for the kernel otherwise.
func (h *Host) Log(ctx context.Context, follow, tail bool, yield func(line []byte) error) error {
	file, err := os.OpenFile(h.log, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("cannot read the kernel's log: %w", err)
	}
	defer file.Close()

	if tail {
		if _, err := file.Seek(0, io.SeekEnd); err != nil {
			return fmt.Errorf("cannot find the end of the kernel's log: %w", err)
		}
	}

	defer context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })()

	var last uint64

	for buffer := make([]byte, longestRecord); ; {
		count, err := readRecord(file, buffer, follow)

		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR): // what was to come is overwritten; the next record tells how much
			continue
		case err != nil:
			return fmt.Errorf("cannot read the kernel's log: %w", err)
		}

		record, err := parseRecord(buffer[:count])
		if err != nil {
			return fmt.Errorf("cannot understand a record of the kernel's log: %w", err)
		}

		booted := booted()

		if last != 0 && record.sequence > last+1 {
			lost := fmt.Sprintf("%d records were overwritten before they were read\n", record.sequence-last-1)
			if err := yield(logRecord{priority: lossPriority, at: record.at, message: lost}.line(booted)); err != nil {
				return err
			}
		}

		last = record.sequence

		if err := yield(record.line(booted)); err != nil {
			return err
		}
	}
}

// readRecord reads the next record, and waits for one only with follow.
func readRecord(file *os.File, buffer []byte, follow bool) (count int, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}

	var failed error

	err = raw.Read(func(fd uintptr) bool {
		count, failed = unix.Read(int(fd), buffer)

		return !follow || !errors.Is(failed, unix.EAGAIN)
	})
	if err != nil {
		return 0, err
	}

	return count, failed
}

// booted is when the clock of the kernel's log began, as the wall clock has it now.
func booted() time.Time {
	var since unix.Timespec

	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &since)

	return time.Now().Add(-time.Duration(since.Nano()))
}
