package credentials

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// largestFile is far more than any of the files has.
const largestFile = 1 << 20

// checkDirectory refuses a directory in which others could put a file.
func checkDirectory(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return noneIn(dir)
	}

	if err != nil {
		return fmt.Errorf("cannot read the credentials: %w", err)
	}

	if !info.IsDir() {
		return fmt.Errorf("cannot read the credentials: %q is no directory", dir)
	}

	if whose := changeableBy(info); whose != "" {
		return fmt.Errorf("cannot use the credentials in %q: it %s; who can write there can let in whom they like: chmod 700, and chown it", dir, whose)
	}

	return nil
}

// changeableBy says who but its owner, or root, can change a file or directory.
func changeableBy(info fs.FileInfo) string {
	var whose []string

	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		whose = append(whose, fmt.Sprintf("belongs to user %d", owner.Uid))
	}

	if info.Mode()&0o022 != 0 {
		whose = append(whose, fmt.Sprintf("may be written by others (mode %04o)", info.Mode().Perm()))
	}

	return strings.Join(whose, " and ")
}

// readFile reads a file; of a key it makes sure that nobody else can.
func readFile(path string, isKey bool) ([]byte, error) {
	// O_NONBLOCK: what is no file, a FIFO for instance, must not hold up the daemon.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot read the credentials: %w", err)
	}
	defer file.Close()

	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the credentials: %w", err)
	}

	whose := changeableBy(info)

	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("cannot read the credentials: %q is no file", path)
	case whose != "":
		return nil, fmt.Errorf("cannot use %q: it %s", path, whose)
	case isKey && info.Mode()&0o077 != 0:
		return nil, fmt.Errorf("cannot use %q: others may read this key (mode %04o): chmod 600", path, info.Mode().Perm())
	}

	content, err := io.ReadAll(io.LimitReader(file, largestFile+1))
	if err == nil && len(content) > largestFile {
		err = fmt.Errorf("%q has more than %d bytes", path, largestFile)
	}

	if err != nil {
		return nil, fmt.Errorf("cannot read the credentials: %w", err)
	}

	return content, nil
}

// lockDirectory keeps other writers out of the directory.
func lockDirectory(dir string) (unlock func(), err error) {
	if err := checkDirectory(dir); err != nil {
		return nil, err
	}

	unlock, err = Lock(dir)
	if err != nil {
		return nil, err
	}

	if err := removeLeftovers(dir); err != nil {
		unlock()

		return nil, err
	}

	return unlock, nil
}

const (
	// lockWait is how long another writer is waited for, who has the directory locked.
	lockWait  = 10 * time.Second
	lockPause = 10 * time.Millisecond
)

// Lock keeps others who lock a directory out of it. The kernel takes the lock back from whoever ends without a word. Where
// directories cannot be locked, in a home on NFS for example, nobody is kept out.
func Lock(dir string) (unlock func(), err error) {
	directory, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the directory %q: %w", dir, cause(err))
	}

	for began := time.Now(); ; time.Sleep(lockPause) {
		err = unix.Flock(int(directory.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return func() { directory.Close() }, nil
		}

		if time.Since(began) > lockWait {
			directory.Close()

			return nil, fmt.Errorf("cannot lock the directory %q: another program has had it locked for %s", dir, lockWait)
		}
	}
}

// removeLeftovers deletes what writers have left that were killed: there may be a key in it that is to be nowhere now.
func removeLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot read the directory of the credentials: %w", err)
	}

	for _, entry := range entries {
		isLeft := func(name string) bool { return strings.HasPrefix(entry.Name(), "."+name+".") }

		if slices.ContainsFunc(fileNames, isLeft) {
			if err := removeFile(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}

	return nil
}

// WriteFile gives a file a new content at one moment, which survives the death of the machine too. Only its owner reads
// it. Where the path is a link, the link is replaced, and what it leads to stays as it is.
func WriteFile(path string, content []byte) (err error) {
	directory := filepath.Dir(path)

	file, err := os.CreateTemp(directory, "."+filepath.Base(path)+".*") // 0600, and never what is there already
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", path, cause(err))
	}

	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write %q: %w", path, cause(err))
			_ = os.Remove(file.Name())
		}
	}()

	_, err = file.Write(content)
	if err == nil {
		err = keepOwner(file, path)
	}

	if err == nil {
		err = file.Sync()
	}

	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}

	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}

	return syncDirectory(directory)
}

// keepOwner gives the file to whom the one before belongs, so that root can write into a talosconfig in somebody's home. In
// a directory of others, /tmp for instance, anybody may have put it there, to be given the keys in it.
func keepOwner(file *os.File, path string) error {
	before, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}

	directory, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}

	owner, known := before.Sys().(*syscall.Stat_t)
	above, knownAbove := directory.Sys().(*syscall.Stat_t)

	if !known || !knownAbove || !before.Mode().IsRegular() || owner.Uid != above.Uid || int(owner.Uid) == os.Geteuid() {
		return nil
	}

	return file.Chown(int(owner.Uid), int(owner.Gid))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %q: %w", path, cause(err))
	}

	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	defer directory.Close()

	return directory.Sync()
}

// cause strips the operation and the path, which the message has already.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}

	return err
}
