package runtime_test

import (
	"context"
	"errors"

	"github.com/fsnotify/fsnotify"
)

// notify returns when the condition holds; it is looked at each time something in the directory changes.
func notify(ctx context.Context, directory string, condition func() bool) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()

	if err := watcher.Add(directory); err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()

	for !condition() {
		select {
		case <-watcher.Events:
		case err := <-watcher.Errors:
			return err
		case <-ctx.Done():
			return errors.Join(errors.New("the file does not appear"), ctx.Err())
		}
	}

	return nil
}
