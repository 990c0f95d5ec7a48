package arch

import (
	"fmt"
	"slices"
	"strings"
)

// mayImport says which of our packages each of our packages may need, directly or through others. A package that no
// pattern matches is itself a violation; of several patterns the longest counts.
var mayImport = map[string][]string{
	"spec":            {},
	"events":          {},
	"condition":       {"events"},
	"condition/watch": {"condition", "events"},
	"condition/probe": {"condition", "events", "spec"},
	"service":         {"spec", "events", "condition"},
	"service/...":     {"service/...", "spec", "events", "condition"},
	"history":         {"events"},
	"config":          {"spec"},
	"credentials/...": {},
	"journal/...":     {"journal/...", "events"},
	"actors/...":      {"actors/...", "service", "events", "spec", "condition"},
	// A life that went wrong is printed as a script for the machine.
	"actors/actorstest": {"actors/...", "service/...", "events", "spec", "condition"},
	// service only for its values, and through it what they are made of.
	"oci/...":      {"oci/...", "spec", "service", "events", "condition"},
	"api/...":      {"api/...", "spec", "events", "history"},
	"picture":      {"events"},
	"kernel":       {},
	"report":       {"events", "history", "picture"},
	"cmd/...":      {"..."},
	"tests/...":    {"..."},
	"examples/...": {},
}

// seenBy says which of our packages may import a library, or a package of ours that is not for everyone, directly.
// Tests are free.
var seenBy = map[string][]string{
	"github.com/asynkron/protoactor-go/...": {"actors/...", "tests/..."},
	"github.com/containerd/...":             {"oci/...", "cmd/containerd-shim-extactor-v2/...", "tests/..."},
	"github.com/goccy/go-yaml/...":          {"spec", "credentials/talosconfig"},
	"go.yaml.in/...":                        {},
	"gopkg.in/yaml.v2/...":                  {},
	"gopkg.in/yaml.v3/...":                  {},
	"sigs.k8s.io/yaml/...":                  {},
	"database/sql/...":                      {"journal/..."},
	"modernc.org/sqlite/...":                {"journal/..."},
	"github.com/prometheus/procfs/...":      {"kernel"},
	"github.com/mattn/go-sqlite3/...":       {},
	Module + "/condition/watch":             {"cmd/...", "tests/..."},
	Module + "/condition/probe":             {"cmd/...", "tests/..."},
	Module + "/kernel":                      {"cmd/...", "tests/..."},
}

// libraries says which modules a package with few needs may import. A package that is not named may import any.
var libraries = map[string][]string{
	"spec":      {"github.com/goccy/go-yaml/..."},
	"events":    {"google.golang.org/protobuf/..."},
	"condition": {},
	"picture":   {},
	"report":    {},
	"service":   {"google.golang.org/protobuf/..."}, // what crosses its border are messages of events
}

// random are the sources of chance; a pure package gets it as a value.
var random = []string{
	"math/rand/...", "crypto/rand", "github.com/google/uuid/...", "github.com/rs/xid/...",
}

// forbidden says what the pure packages may not import directly. Package time is there for its types; what asks the
// clock is found in the source.
var forbidden = map[string][]string{
	"service": append([]string{
		"os/...", "net/...", "sync/...", "context", "log/...", "syscall", "golang.org/x/sys/...",
	}, random...),
	"events":    random,
	"history":   append([]string{"os/...", "net/...", "sync/...", "context", "log/...", "syscall", "golang.org/x/sys/..."}, random...),
	"spec":      random,
	"condition": random,
	"picture":   append([]string{"os/...", "net/...", "sync/...", "log/...", "syscall"}, random...),
	"report":    append([]string{"os/...", "net/...", "sync/...", "context", "log/...", "syscall"}, random...),
}

// CheckImports returns every import that the rules above do not allow.
func CheckImports(graph Graph) []string {
	var violations []string
	for _, name := range graph.Own() {
		violations = append(violations, checkOwn(graph, name)...)
		for _, path := range graph.Package(name).Imports {
			violations = append(violations, checkDirect(name, path)...)
		}
	}
	slices.Sort(violations)
	return violations
}

// checkOwn looks at what one package needs of ours, through whatever chain.
func checkOwn(graph Graph, name string) []string {
	allowed, known := ruleFor(name)
	if !known {
		return []string{fmt.Sprintf("%s: no rule says what it may import; add one to mayImport", name)}
	}
	var violations []string
	for needed, chain := range graph.chains(name) {
		if !matches(needed, allowed) {
			violations = append(violations, fmt.Sprintf("%s: must not import %s (%s)", name, needed, chain))
		}
	}
	return violations
}

// ruleFor returns the entry of mayImport with the longest matching pattern.
func ruleFor(name string) (allowed []string, known bool) {
	longest := -1
	for pattern, entry := range mayImport {
		if matches(name, []string{pattern}) && len(pattern) > longest {
			allowed, known, longest = entry, true, len(pattern)
		}
	}
	return allowed, known
}

// checkDirect looks at one import of one package.
func checkDirect(name, path string) []string {
	var violations []string
	for pattern, viewers := range seenBy {
		if matches(path, []string{pattern}) && !matches(name, viewers) {
			violations = append(violations, fmt.Sprintf("%s: must not import %s, which is for %s", name, path, listed(viewers)))
		}
	}
	if allowed, few := libraries[name]; few && thirdParty(path) && !matches(path, allowed) {
		violations = append(violations, fmt.Sprintf("%s: must not import the library %s", name, path))
	}
	if matches(path, forbidden[name]) {
		violations = append(violations, fmt.Sprintf("%s: is pure and must not import %s", name, path))
	}
	return violations
}

// thirdParty tells whether a path is neither ours nor of the standard library, whose paths have no dot in front.
func thirdParty(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	_, own := ownName(path)
	return !own && strings.Contains(first, ".")
}

func listed(viewers []string) string {
	if len(viewers) == 0 {
		return "no package"
	}
	return strings.Join(viewers, ", ") + " only"
}
