package journal

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// code is SQLite's primary result code, 0 if the error is not SQLite's.
func code(err error) int {
	var problem *sqlite.Error
	if errors.As(err, &problem) {
		return problem.Code() & 0xff
	}

	return 0
}

// syncError tells that what was written may not be on the disk. The database must stay open: what the kernel still knows of
// it is all there is.
type syncError struct{ cause error }

func (e *syncError) Error() string { return "cannot sync the journal: " + e.cause.Error() }

func (e *syncError) Unwrap() error { return e.cause }

// unreadable tells that the file itself is damaged, so that trying again cannot help.
func unreadable(err error) bool {
	var (
		foreign *foreignError
		damage  *damageError
	)

	return code(err) == sqlite3.SQLITE_CORRUPT || code(err) == sqlite3.SQLITE_NOTADB || errors.As(err, &foreign) || errors.As(err, &damage)
}

// explain says in words what SQLite says in codes.
func (j *Journal) explain(err error) string {
	switch code(err) {
	case sqlite3.SQLITE_FULL:
		return "the disk is full"
	case sqlite3.SQLITE_READONLY:
		return "the file system is read-only"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another process holds the database"
	}

	var disk unix.Statfs_t
	if unix.Statfs(j.options.Dir, &disk) == nil {
		switch {
		case disk.Flags&unix.ST_RDONLY != 0:
			return "the file system is read-only"
		case code(err) == sqlite3.SQLITE_IOERR && disk.Bavail == 0, errors.Is(err, unix.ENOSPC):
			return "the disk is full"
		}
	}

	if code(err) == sqlite3.SQLITE_IOERR || errors.Is(err, unix.EIO) {
		return "the disk reports an error: " + err.Error()
	}

	return err.Error()
}

func syncDir(path string) error {
	if err := syncFile(path); err != nil {
		return fmt.Errorf("cannot sync directory %q: %w", path, err)
	}

	return nil
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}

	return errors.Join(file.Sync(), file.Close())
}
