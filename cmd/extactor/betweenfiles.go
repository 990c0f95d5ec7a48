package main

import (
	"fmt"
	"strings"

	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// betweenFiles finds what is likely to be wrong between service files: dependencies on a service that is meant by another
// name, that none of the files describes, which counts where these are all, and services that wait for each other. They are
// warnings: another file, or the host, may put it right.
func betweenFiles(services []*spec.Service, all bool) (warnings []spec.Problem) {
	known, needs := make(map[string]bool, len(services)), make(map[string][]string, len(services))

	for _, file := range services {
		known[file.ID()] = true

		for _, dependency := range file.Depends {
			needs[file.ID()] = append(needs[file.ID()], dependency.Service)
		}
	}

	for _, file := range services {
		warn := func(needed, format string, words ...any) {
			warnings = append(warnings, spec.WarnOfDependency(file.Source, needed, fmt.Sprintf(format, words...)))
		}

		for _, needed := range needs[file.ID()] {
			switch {
			case needed == "" || known[needed] || needed == linkID:
			case known["ext-"+needed]:
				warn(needed, "depends on service %q: did you mean %q?", needed, "ext-"+needed)
			case all && strings.HasPrefix(needed, "ext-"):
				warn(needed, "depends on service %q, which no file here describes", needed)
			}
		}

		if path := service.Cycle(file.ID(), needs); len(path) > 2 { // a shorter one is told of by the file itself
			warn(path[1], "never starts, because services wait for each other: %s", strings.Join(path, " -> "))
		}
	}

	return warnings
}
