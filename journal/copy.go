package journal

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
)

const copyTries = 10

// copyDatabase copies a database and then its write-ahead log. What moved from the log into the database meanwhile is in
// both, so the copy is whole unless the log began anew, which its header shows.
func copyDatabase(from, to string) error {
	if info, err := os.Stat(from); err == nil && !info.Mode().IsRegular() { // a pipe may have no end, or no beginning
		return errors.New("it is not a regular file")
	}

	for range copyTries {
		before, err := logHeader(from)
		if err != nil {
			return err
		}

		err = copyFile(from, to)
		if errors.Is(err, fs.ErrNotExist) && exists(from+"-wal") { // which may have all of it
			err = os.WriteFile(to, nil, 0o600)
		}

		if err != nil {
			return err
		}

		if err := copyFile(from+"-wal", to+"-wal"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}

		after, err := logHeader(from)
		if err != nil {
			return err
		}

		if bytes.Equal(before, after) {
			return nil
		}
	}

	return errors.New("it changes too fast to be copied")
}

// logHeader returns the header of the write-ahead log, which is another one each time it begins anew; nothing where there
// is no log.
func logHeader(path string) ([]byte, error) {
	file, err := os.Open(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	if err != nil {
		return nil, err
	}
	defer file.Close()

	return io.ReadAll(io.LimitReader(file, 32))
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()

	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}

	_, err = io.Copy(target, source)

	return errors.Join(err, target.Close())
}

// logMissing tells whether a database is of those that have a write-ahead log, which a daemon leaves even when that is empty,
// and has none.
func logMissing(path string) bool {
	const readVersion, withLog = 19, 2 // an offset in SQLite's file header, and what stands there

	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()

	var version [1]byte
	_, err = file.ReadAt(version[:], readVersion)

	return err == nil && version[0] == withLog && !exists(path+"-wal")
}

func exists(path string) bool {
	_, err := os.Lstat(path)

	return err == nil
}
