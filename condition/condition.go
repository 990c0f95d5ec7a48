// Package condition says when a service may start: each dependency is a pure predicate over facts, with the text that
// stands behind "Waiting for" while it is unmet. Who observes the facts is another package's business (condition/watch).
package condition

import (
	"fmt"
	"strings"
)

// Kind is one kind of dependency.
type Kind string

// The kinds of dependencies a service file can name, with the implied ones.
const (
	Service         Kind = "service"         // a service is up; Name is its id
	Completed       Kind = "completed"       // a service has finished without error; Name is its id
	Path            Kind = "path"            // a path exists; Name is the path
	EnvironmentFile Kind = "environmentFile" // the environment file exists; Name is its path
	Network         Kind = "network"         // one of the four network checks; Name is the check
	Time            Kind = "time"            // the clock is synchronised; Name is empty
	Configuration   Kind = "configuration"   // an ExtensionServiceConfig exists; Name is the service's name
)

// The checks of Kind Network, in the words of the service file.
const (
	Addresses    = "addresses"
	Connectivity = "connectivity"
	Hostname     = "hostname"
	EtcFiles     = "etcfiles"
)

// Condition is one dependency. It is comparable; equal conditions share one watcher.
type Condition struct {
	Kind Kind
	Name string
}

// Key renders the condition as it stands in the journal and in status: "service:containerd", "path:/dev/zfs",
// "network:addresses", "time", "configuration:nut-client".
func (c Condition) Key() string {
	if c.Name == "" {
		return string(c.Kind)
	}

	return string(c.Kind) + ":" + c.Name
}

// ParseKey is the inverse of Key.
func ParseKey(key string) (Condition, error) {
	kind, name, _ := strings.Cut(key, ":")
	condition := Condition{Kind: Kind(kind), Name: name}

	switch condition.Kind {
	case Time:
		if name != "" {
			return Condition{}, fmt.Errorf("cannot parse condition %q: time takes no name", key)
		}
	case Network:
		switch name {
		case Addresses, Connectivity, Hostname, EtcFiles:
		default:
			return Condition{}, fmt.Errorf("cannot parse condition %q: network check is one of addresses, connectivity, hostname, etcfiles", key)
		}
	case Service, Completed, Path, EnvironmentFile, Configuration:
		if name == "" {
			return Condition{}, fmt.Errorf("cannot parse condition %q: a name must follow the colon", key)
		}
	default:
		return Condition{}, fmt.Errorf("cannot parse condition %q: unknown kind", key)
	}

	return condition, nil
}
