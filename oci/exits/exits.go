// Package exits keeps how tasks ended in one small file each, so that an exit code outlives a containerd that is down at
// that moment: the shim writes the record before it tells anybody, the daemon reads it when containerd no longer knows.
package exits

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Annotation is the key of the OCI annotation that tells the shim where the record of this container belongs.
const Annotation = "io.extactor.exit-record"

// Record is how one task ended.
type Record struct {
	Status uint32 `json:"status"` // exit code; 128+n where signal n ended the process
	OOM    bool   `json:"oom"`    // the kernel killed a process of the cgroup for lack of memory
	WallNS int64  `json:"wallNS"` // CLOCK_REALTIME of the exit
	BootNS int64  `json:"bootNS"` // CLOCK_BOOTTIME of the exit

	// Unstarted tells that the task was made, and ended before its program was executed.
	Unstarted bool `json:"unstarted,omitempty"`
	// Undelivered tells that the shim may still hold some of what the task printed. Where a shim is gone and this still
	// stands, that is lost.
	Undelivered bool `json:"undelivered,omitempty"`
}

// Path names the record of one attempt below the run directory.
func Path(runDir, id string, attempt uint64) string {
	return filepath.Join(runDir, "exits", id+"."+strconv.FormatUint(attempt, 10)+".json")
}

// Write puts the record at path atomically: a reader sees all of it or nothing, and a second write replaces the first.
func Write(path string, record Record) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("cannot write exit record %q: %w", path, err)
	}

	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot write exit record %q: %w", path, err)
	}

	temporary := path + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("cannot write exit record %q: %w", path, err)
	}

	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("cannot write exit record %q: %w", path, err)
	}

	return nil
}

// Read returns the record at path. Where there is none the error is fs.ErrNotExist.
func Read(path string) (Record, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Record{}, fmt.Errorf("cannot read exit record %q: %w", path, err)
	}

	var record Record
	if err := json.Unmarshal(data, &record); err != nil {
		return Record{}, fmt.Errorf("cannot read exit record %q: %w", path, err)
	}

	return record, nil
}

// Remove deletes every record of the id for which drop is true.
func Remove(runDir, id string, drop func(attempt uint64) bool) error {
	directory := filepath.Join(runDir, "exits")

	entries, err := os.ReadDir(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("cannot remove exit records of %q: %w", id, err)
	}

	var problems []error

	for _, entry := range entries {
		rest, ours := strings.CutPrefix(entry.Name(), id+".")
		number, _, _ := strings.Cut(rest, ".")

		attempt, err := strconv.ParseUint(number, 10, 64)
		if !ours || err != nil || !drop(attempt) {
			continue
		}

		if err := os.Remove(filepath.Join(directory, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("cannot remove exit record of %q: %w", id, err))
		}
	}

	return errors.Join(problems...)
}
