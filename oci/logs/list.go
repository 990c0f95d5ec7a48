package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// List returns the ids of the services that have a log, sorted, also where nothing is in it yet.
func List(dir Dir) ([]string, error) {
	entries, err := os.ReadDir(dir.Files)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot list the logs: %w", err)
	}

	var ids []string

	for _, entry := range entries {
		if entry.IsDir() {
			ids = append(ids, entry.Name())
		}
	}

	return ids, nil
}
