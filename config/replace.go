package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// temporaryName begins the names of what is written before it takes the place of a file; loaders pass it over. There is one
// writer at a time, and what one that was killed has left gives way to what the next one writes.
const temporaryName = ".extactor.new"

// lock makes the directory where it is missing, and keeps other writers out of it.
func (s Store) lock() (unlock func(), err error) {
	if err := makeDirectory(s.Dir); err != nil {
		return nil, fmt.Errorf("cannot create the directory of configuration: %w", err)
	}

	directory, err := os.Open(s.Dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the directory of configuration: %w", err)
	}

	for {
		err = unix.Flock(int(directory.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}

	if err != nil {
		directory.Close()

		return nil, fmt.Errorf("cannot lock the directory of configuration %q: %w", s.Dir, err)
	}

	return func() { directory.Close() }, nil
}

func makeDirectory(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}

	return syncDirectory(filepath.Dir(path))
}

// replacement is the new content of a file, on the disk beside it.
type replacement struct{ path, temporary string }

// prepare writes what is to take the place of a file; number tells the replacements of one change apart. Where the path is a
// symbolic link, it stays one: what it leads to is replaced.
func prepare(path string, number int, content []byte) (replacement, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}

	prepared := replacement{path: path, temporary: filepath.Join(filepath.Dir(path), temporaryName)}
	if number > 0 {
		prepared.temporary += "." + strconv.Itoa(number)
	}

	if err := write(prepared.temporary, content); err != nil {
		return prepared, errors.Join(err, prepared.drop())
	}

	return prepared, nil
}

// commit gives the file its new content at one moment, so that it survives the death of the machine too.
func (r replacement) commit() error {
	if err := os.Rename(r.temporary, r.path); err != nil {
		return errors.Join(err, r.drop())
	}

	return syncDirectory(filepath.Dir(r.path))
}

func (r replacement) drop() error { return removeTemporary(r.temporary) }

// write makes a file that only its owner reads, and waits until it is on the disk.
func write(path string, content []byte) error {
	if err := removeTemporary(path); err != nil {
		return err
	}

	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}

	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}

	return errors.Join(err, file.Close())
}

func removeTemporary(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
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
