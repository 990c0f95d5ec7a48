package logs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segment is one file of a log. Its name is the cursor of its first byte, in 20 digits, so that names sort by cursor.
type segment struct {
	directory string
	base      uint64
}

func (s segment) path() string { return filepath.Join(s.directory, fmt.Sprintf("%020d.log", s.base)) }

// indexPath names the file that says when the bytes of this segment arrived.
func (s segment) indexPath() string {
	return filepath.Join(s.directory, fmt.Sprintf("%020d.idx", s.base))
}

// end returns the cursor behind the last byte.
func (s segment) end() (uint64, error) {
	info, err := os.Stat(s.path())
	if err != nil {
		return 0, err
	}
	return s.base + uint64(info.Size()), nil
}

func (s segment) remove() error {
	return errors.Join(removeIfThere(s.path()), removeIfThere(s.indexPath()))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// listSegments returns the segments in a directory, oldest first. A directory that does not exist has none.
func listSegments(directory string) ([]segment, error) {
	entries, err := os.ReadDir(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	segments := make([]segment, 0, len(entries)/2)
	for _, entry := range entries {
		digits, found := strings.CutSuffix(entry.Name(), ".log")
		base, err := strconv.ParseUint(digits, 10, 63)
		if found && err == nil && len(digits) == 20 {
			segments = append(segments, segment{directory, base})
		}
	}
	slices.SortFunc(segments, func(a, b segment) int {
		if a.base < b.base {
			return -1
		}
		return 1
	})
	return segments, nil
}

// bounds returns the cursors of the oldest byte that is kept and of the end.
func bounds(directory string) (start, end uint64, err error) {
	for {
		segments, err := listSegments(directory)
		if err != nil || len(segments) == 0 {
			return 0, 0, err
		}
		end, err := segments[len(segments)-1].end()
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since it was listed: there is a newer one now
		}
		return segments[0].base, end, err
	}
}
