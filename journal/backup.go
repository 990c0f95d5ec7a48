package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes the database as it is at one moment into a file that only its owner may read, and returns the newest
// record in it. Appends go on meanwhile. What is in memory only is not in it. A file that exists is replaced only with force.
func (j *Journal) Backup(ctx context.Context, path string, force bool) (newest uint64, err error) {
	j.mu.Lock()
	store := j.store
	j.mu.Unlock()

	if store == nil {
		return 0, errNoDatabase
	}

	return backup(ctx, store.path, path, force)
}

// Backup writes the copy into a file, as Journal.Backup does.
func (r *Reader) Backup(ctx context.Context, path string, force bool) (newest uint64, err error) {
	return backup(ctx, r.store.path, path, force)
}

func backup(ctx context.Context, from, path string, force bool) (newest uint64, err error) {
	if _, err := os.Lstat(path); err == nil && !force {
		return 0, fmt.Errorf("cannot write backup %q: the file exists", path)
	}

	// It becomes visible under its name when it is whole.
	part, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".part-*")
	if err != nil {
		return 0, fmt.Errorf("cannot write backup %q: %w", path, err)
	}

	defer os.Remove(part.Name())
	defer part.Close()

	if newest, err = vacuumInto(ctx, from, part.Name()); err != nil {
		return 0, fmt.Errorf("cannot write backup %q: %w", path, err)
	}

	if err := errors.Join(part.Chmod(0o600), part.Sync(), place(part.Name(), path, force), syncDir(filepath.Dir(path))); err != nil {
		return 0, fmt.Errorf("cannot write backup %q: %w", path, err)
	}

	return newest, nil
}

// vacuumInto uses a connection of its own: the others must not wait for a slow disk.
func vacuumInto(ctx context.Context, from, to string) (newest uint64, err error) {
	pool, err := openPool(from, "rw", 1)
	if err != nil {
		return 0, err
	}
	defer pool.Close()

	if _, err := pool.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return 0, err
	}

	written, err := openPool(to, "rw", 1)
	if err != nil {
		return 0, err
	}
	defer written.Close()

	return newest, written.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM records").Scan(&newest)
}

// place gives a file its name. Without force it never replaces another.
func place(from, to string, force bool) error {
	if force {
		return os.Rename(from, to)
	}

	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return errors.New("the file exists")
	}

	return err
}

// Prune deletes the records before a sequence, after every service has taken a snapshot. The newest lines of EVENTS of each
// service stay. It returns the oldest sequence from which on everything is there.
func (j *Journal) Prune(ctx context.Context, before uint64) (floor uint64, err error) {
	j.mu.Lock()
	store, newest, busy := j.store, j.committed, j.maintaining || j.closed
	able := j.options.Snapshot != nil

	if store != nil && !busy && able {
		j.maintaining = true
	}
	j.mu.Unlock()

	switch {
	case store == nil:
		return 0, errNoDatabase
	case busy:
		return 0, errors.New("cannot prune the journal: old records are being deleted already")
	case !able:
		return 0, errors.New("cannot prune the journal: nobody takes snapshots")
	}

	defer func() {
		j.mu.Lock()
		j.maintaining = false
		j.mu.Unlock()
	}()

	if err := j.options.Snapshot(ctx); err != nil {
		return 0, fmt.Errorf("cannot prune the journal: no snapshot could be taken: %w", err)
	}

	if newest > 0 && before > 0 {
		if err := j.deleteBefore(store, min(before, newest)); err != nil {
			return 0, fmt.Errorf("cannot prune the journal: %w", err)
		}
	}

	if err := j.measure(store); err != nil { // also where nothing was deleted
		return 0, fmt.Errorf("cannot measure the journal: %w", err)
	}

	floor, _, err = retained(ctx, store.readers)

	return max(floor, 1), err
}

// Floor returns the oldest sequence from which on everything is there.
func (j *Journal) Floor(ctx context.Context) (uint64, error) {
	j.mu.Lock()
	store := j.store
	j.mu.Unlock()

	if store == nil {
		return 0, errNoDatabase
	}

	floor, _, err := retained(ctx, store.readers)

	return max(floor, 1), j.unread(store, err)
}
