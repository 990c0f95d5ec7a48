package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/rs/zerolog"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// hostServicesFile is beside the directory of configuration documents.
const hostServicesFile = "extactor.yaml"

// files reads what the directories say. It is used by one goroutine at a time.
type files struct {
	options  Options
	log      zerolog.Logger
	readings readings

	hosts        []spec.HostService // as they were at the first load
	hostProblems spec.Problems
	loaded       bool

	configs  []*spec.Config // as they were last valid
	problems spec.Problems  // of the last load
	reported []string       // problems that were logged
	empty    bool           // there was no service file at the last load
}

func newFiles(options Options, log zerolog.Logger) *files {
	return &files{options: options, log: log}
}

// load reads everything anew. A file with problems is reported and skipped; the others count. A configuration whose file
// has become invalid stays as it was: a typing error must not take it away from its service.
func (f *files) load() actors.Desired {
	read := f.readings.next(f.options)
	services, problems := read.services, read.problems
	f.problems = problems

	if !f.loaded {
		f.hosts, f.hostProblems, f.loaded = read.hosts, read.hostProblems, true
	}

	f.report(services, slices.Concat(f.hostProblems, problems))

	empty := len(services) == 0 && len(problems) == 0
	if empty && !f.empty {
		text := "no service files (*.yaml) yet"
		if _, err := os.Stat(f.options.ServicesDir); errors.Is(err, fs.ErrNotExist) {
			text = "no service files: the directory does not exist yet"
		}

		f.log.Warn().Str("directory", f.options.ServicesDir).Msg(text)
	}

	f.empty = empty

	rejected := reject(problems.Errors())
	f.configs = keepValid(f.configs, read.configs, rejected)

	desired := actors.Desired{Services: services, Rejected: rejected, Configs: f.configs, Hosts: []string{logdName}}
	for _, host := range f.hosts {
		desired.Hosts = append(desired.Hosts, host.Name)
	}

	return desired
}

// report logs each problem once, for as long as it stands, unless somebody else wants to.
func (f *files) report(services []*spec.Service, problems spec.Problems) {
	if f.options.Loaded != nil {
		f.options.Loaded(services, problems)

		return
	}

	var standing []string

	for _, problem := range problems {
		text := fmt.Sprintf("%s: %s", place(problem), problem.Message)
		standing = append(standing, text)

		if !slices.Contains(f.reported, text) {
			f.log.WithLevel(level(problem)).Str("file", place(problem)).Msg(problem.Message)
		}
	}

	f.reported = standing
}

// reject says where the problems are, by file. Only where: what is wrong may quote a value, and values never enter the
// journal. What is wrong with a file as a whole, such as that it cannot be read, quotes nothing of it.
func reject(problems spec.Problems) []*events.SpecRejected {
	var rejected []*events.SpecRejected

	for _, problem := range problems {
		index := slices.IndexFunc(rejected, func(known *events.SpecRejected) bool { return known.GetFile() == problem.File })
		if index < 0 {
			index = len(rejected)
			rejected = append(rejected, &events.SpecRejected{File: problem.File})
		}

		where := problem.Message
		if problem.Line > 0 {
			where = fmt.Sprintf("%d:%d", problem.Line, problem.Column)
		}

		rejected[index].Problems = append(rejected[index].Problems, where)
	}

	return rejected
}

func keepValid(before, now []*spec.Config, rejected []*events.SpecRejected) []*spec.Config {
	kept := slices.Clone(now)

	for _, config := range before {
		named := slices.ContainsFunc(now, func(other *spec.Config) bool { return other.Name == config.Name })
		invalid := slices.ContainsFunc(rejected, func(file *events.SpecRejected) bool { return file.Covers(config.Source) })

		if !named && invalid {
			kept = append(kept, config)
		}
	}

	return kept
}

func level(problem spec.Problem) zerolog.Level {
	if problem.Severity == spec.Warning {
		return zerolog.WarnLevel
	}

	return zerolog.ErrorLevel
}

func place(problem spec.Problem) string {
	if problem.Line == 0 {
		return problem.File
	}

	return fmt.Sprintf("%s:%d:%d", problem.File, problem.Line, problem.Column)
}
