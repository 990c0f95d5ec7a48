// Package program tells which program a process runs, also where another one has taken its name since, and runs that one
// again. With it a daemon notices that containerd and logd are still those of the version before an upgrade.
package program

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Program is what a process executes. It can be read, and executed again, for as long as it is open, whatever has become
// of its file.
type Program struct{ file *os.File }

// Of opens the program of a process.
func Of(pid int) (*Program, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return nil, fmt.Errorf("cannot open the program of process %d: %w", pid, err)
	}

	return &Program{file}, nil
}

// Close lets go of the program.
func (p *Program) Close() error { return p.file.Close() }

// Path names the program until it is closed. It goes by the number of this process: in a child the descriptor may be
// another one's by the time at which it executes the program.
func (p *Program) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), p.file.Fd()) }

// Is tells whether the program is what a command of that name would execute now. Bytes count rather than versions, which
// builds of a working tree share, and rather than the file, which the same package brings anew.
func (p *Program) Is(command string) (bool, error) {
	path, err := exec.LookPath(command)
	if err != nil {
		return false, fmt.Errorf("cannot compare programs: %w", err)
	}

	other, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("cannot compare programs: %w", err)
	}
	defer other.Close()

	same, err := equal(p.file, other)
	if err != nil {
		return false, fmt.Errorf("cannot compare programs: %w", err)
	}

	return same, nil
}

func equal(a, b *os.File) (bool, error) {
	infoA, err := a.Stat()
	if err != nil {
		return false, err
	}

	infoB, err := b.Stat()
	if err != nil {
		return false, err
	}

	if os.SameFile(infoA, infoB) {
		return true, nil // a file that is executed cannot be written to
	}

	if infoA.Size() != infoB.Size() {
		return false, nil
	}

	// Neither moves the place at which the other user of the descriptor reads.
	return equalBytes(io.NewSectionReader(a, 0, infoA.Size()), io.NewSectionReader(b, 0, infoB.Size()))
}

func equalBytes(a, b io.Reader) (bool, error) {
	const chunk = 64 << 10

	readA, readB := bufio.NewReaderSize(a, chunk), bufio.NewReaderSize(b, chunk)

	for {
		nextA, errA := readA.Peek(chunk)
		nextB, errB := readB.Peek(chunk)

		if !bytes.Equal(nextA, nextB) {
			return false, nil
		}

		ended := errors.Is(errA, io.EOF) && errors.Is(errB, io.EOF)
		if err := errors.Join(errA, errB); err != nil && !ended {
			return false, err
		}

		if ended {
			return true, nil
		}

		_, _ = readA.Discard(len(nextA))
		_, _ = readB.Discard(len(nextB))
	}
}

// Described says in words which version a process is of, as its lock file says, and which is to take its place.
func Described(running, next string) string {
	switch {
	case running == "":
		return "another version of extactor, to be replaced by " + next
	case running == next:
		return fmt.Sprintf("another build of extactor %s, to be replaced", running)
	default:
		return fmt.Sprintf("extactor %s, to be replaced by %s", running, next)
	}
}

// NoteVersion writes the version of this process into its lock file, over the one before it, which takes no room. Where
// there is no room for it either, it is not known: a full disk is no reason not to run.
func NoteVersion(lock *os.File, version string) {
	written, _ := lock.WriteAt([]byte(version), 0)
	_ = lock.Truncate(int64(written))
}

// NotedVersion returns the version of the process that holds a lock file, empty where it has not said.
//
// Locks of POSIX are lost with any descriptor of the file that their holder closes: it must not call this itself.
func NotedVersion(lock string) string {
	version, err := os.ReadFile(lock)
	if err != nil {
		return ""
	}

	return string(version)
}
