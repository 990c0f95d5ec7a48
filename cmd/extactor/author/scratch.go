package author

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// How long shims, which end by themselves once their container is deleted, may still have files open.
const (
	busyLimit = 5 * time.Second
	busyPoll  = 20 * time.Millisecond
)

// Scratch is a file system in memory for one daemon. It belongs to the author's directory, by whose path it is named: a
// daemon that was killed left its containers there, and the next one finds them and cleans up.
type Scratch struct {
	Path   string // short, because the paths of sockets lie in it
	locked *os.File
}

// Open makes the scratch file system of a directory, or takes over what a process that was killed has left. It fails
// where another process has it.
func Open(directory, below string) (*Scratch, error) {
	directory, err := filepath.Abs(directory)
	if err != nil {
		return nil, err
	}

	sum := sha256.Sum256([]byte(directory))
	scratch := &Scratch{Path: filepath.Join(below, "extactor-run-"+hex.EncodeToString(sum[:4]))}

	if err := scratch.lock(directory); err != nil {
		return nil, err
	}

	if err := scratch.mount(); err != nil {
		scratch.locked.Close()

		return nil, fmt.Errorf("cannot make a place for the daemon: %w", err)
	}

	return scratch, nil
}

// lock makes this process the only one that runs the directory. The lock is on the directory itself, so that nothing is
// left of it.
func (s *Scratch) lock(directory string) error {
	opened, err := os.Open(directory)
	if err != nil {
		return err
	}

	if err := unix.Flock(int(opened.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		opened.Close()

		return errors.New("it is run already, by another extactor run")
	} // any other error: a file system without locks, where people must take care themselves

	s.locked = opened

	return nil
}

func (s *Scratch) mount() error {
	if err := os.Mkdir(s.Path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}

	if mounted, err := isMount(s.Path); mounted || err != nil {
		return err
	}

	if err := unix.Mount("extactor", s.Path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700"); err != nil {
		return errors.Join(fmt.Errorf("cannot mount a tmpfs on %q: %w", s.Path, err), os.Remove(s.Path))
	}

	return nil
}

// isMount tells whether a directory is on another file system than the one that it is in.
func isMount(path string) (bool, error) {
	var own, parent unix.Stat_t
	if err := errors.Join(unix.Stat(path, &own), unix.Stat(filepath.Dir(path), &parent)); err != nil {
		return false, fmt.Errorf("cannot look at %q: %w", path, err)
	}

	return own.Dev != parent.Dev, nil
}

// Close removes the file system with all that is in it. Where something still uses it, it stays, and the error says so:
// nothing that is mounted in it is ever deleted.
func (s *Scratch) Close() error {
	defer s.locked.Close()

	for deadline := time.Now().Add(busyLimit); ; time.Sleep(busyPoll) {
		err := unix.Unmount(s.Path, 0)
		if err == nil {
			return os.Remove(s.Path)
		}

		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("cannot remove %q: %w; the next extactor run of this directory tries again", s.Path, err)
		}
	}
}
