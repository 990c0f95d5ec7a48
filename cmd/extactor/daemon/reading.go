package daemon

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/extactor/extactor/spec"
)

// readPatience is how long the file system of the files may be silent, as long as that of a service's own files.
const readPatience = 10 * time.Second

// reading is what the files said at one moment.
type reading struct {
	services []*spec.Service
	configs  []*spec.Config
	problems spec.Problems

	hosts        []spec.HostService
	hostProblems spec.Problems
}

// mostReadings is how many readings may hang: each holds a thread.
const mostReadings = 8

// readings read the files where a file system that does not answer holds up nobody. Such a reading cannot be ended, only
// left alone. The next one may meet another file system in its place. The zero value is ready.
type readings struct {
	pending chan reading
	open    atomic.Int32
}

// next reads the files as they are now.
func (r *readings) next(options Options) reading {
	limit := time.NewTimer(readPatience)
	defer limit.Stop()

	for {
		fresh := r.pending == nil
		if fresh {
			r.begin(options)
		}

		select {
		case read := <-r.pending:
			r.pending = nil

			if fresh { // else it may have been before the last change
				return read
			}
		case <-limit.C:
			if r.open.Load() < mostReadings {
				r.pending = nil
			}

			return reading{problems: spec.Problems{silent(options.ServicesDir), silent(options.ConfigDir)}}
		}
	}
}

func (r *readings) begin(options Options) {
	read := make(chan reading, 1)
	r.pending = read

	r.open.Add(1)

	go func() {
		defer r.open.Add(-1)

		read <- readFiles(options)
	}()
}

func readFiles(options Options) reading {
	var read reading

	if options.ServiceFile == "" {
		read.services, read.problems = spec.LoadDir(options.ServicesDir)
	} else if service, problems := spec.LoadFile(options.ServiceFile); service != nil {
		read.services, read.problems = []*spec.Service{service}, problems
	} else {
		read.problems = problems
	}

	configs, problems := spec.LoadConfigDir(options.ConfigDir)
	read.configs, read.problems = configs, append(read.problems, problems...)

	read.hosts, read.hostProblems = spec.LoadHostServices(filepath.Join(filepath.Dir(options.ConfigDir), hostServicesFile))

	return read
}

// silent is the problem of a directory of which nothing is known.
func silent(dir string) spec.Problem {
	return spec.Problem{
		File: dir, Severity: spec.Error, Unread: true,
		Message: fmt.Sprintf("cannot read directory: the file system of the services or of their configuration has not answered for %v", readPatience),
	}
}
