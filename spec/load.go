package spec

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// MaxFileSize is the size in bytes up to which a file is read.
const MaxFileSize = 1 << 20

// LoadFile reads and checks one service file. The service is nil when the problems contain an error.
func LoadFile(path string) (*Service, Problems) {
	return loadFile(path, nil)
}

// LoadDir reads the files *.yaml of a directory in the order of their names; names that begin with a dot, as editors give
// them to their own files, do not count. A file that has an error, or that repeats
// the name of a service loaded before it, is reported and skipped; the others are returned. A directory that does not
// exist holds no services, which is no problem.
func LoadDir(dir string) ([]*Service, Problems) {
	paths, problems := filesOf(dir)
	var services []*Service
	taken := make(map[string]string)
	for _, path := range paths {
		loaded, found := loadFile(path, taken)
		problems = append(problems, found...)
		if loaded != nil {
			services = append(services, loaded)
			taken[loaded.Name] = loaded.Source
		}
	}
	return services, problems
}

// filesOf returns the paths of the files *.yaml of a directory, in their order. Files *.yml do not count, as with Talos, which
// is worth a word to who has one.
func filesOf(dir string) (paths []string, problems Problems) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fileProblem(dir, "cannot read directory: it is a file; name the directory of the files *.yaml")
	}
	if err != nil {
		return nil, unread(dir, "directory", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		switch path := filepath.Join(dir, name); {
		case strings.HasPrefix(name, "."):
		case strings.HasSuffix(name, ".yaml"):
			paths = append(paths, path)
		case strings.HasSuffix(name, ".yml"):
			problems = append(problems, Problem{File: path, Severity: Warning, Message: "this file is not read: its name must end in .yaml"})
		}
	}
	return paths, problems
}

// loadFile reads one file; taken holds the names that are no longer free, with the file that has each.
func loadFile(path string, taken map[string]string) (*Service, Problems) {
	content, err := readRegular(path)
	if err != nil {
		return nil, unread(path, "file", err)
	}
	return parse(path, content, taken)
}

// readRegular reads at most one byte more than allowed. It opens without blocking, as a FIFO of that name would
// otherwise hold up the caller for ever.
func readRegular(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a directory")
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is not a regular file (%s)", info.Mode().Type())
	}
	return io.ReadAll(io.LimitReader(file, MaxFileSize+1))
}

// cause leaves out the path that package os puts into its errors: the problem begins with it.
func cause(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

func fileProblem(file, format string, args ...any) Problems {
	return Problems{{File: file, Severity: Error, Message: fmt.Sprintf(format, args...)}}
}

func unread(path, what string, err error) Problems {
	problems := fileProblem(path, "cannot read %s: %v", what, cause(err))
	_, problems[0].Unread = errors.AsType[syscall.Errno](err)
	return problems
}
