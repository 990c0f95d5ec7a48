// Package spec says what a service file may contain: it parses the YAML, checks it, and reports every problem with line
// and column. It knows nothing of how a service is run.
package spec

import "time"

// Service is one service file, parsed and checked. The fields are those of Talos's extension services; what extactor
// adds stands under Extactor.
type Service struct {
	Name         string        // ^[-_a-z0-9]+$
	Container    Container     //
	Depends      []Dependency  // in file order
	Restart      RestartPolicy // required
	LogToConsole bool          // also write the service's lines to the kernel log

	Extactor Extactor // the key "extactor", which Talos ignores

	Source string // the file it was read from; not part of the file
}

// ID is the name under which the service is registered: "ext-" and Name.
func (s *Service) ID() string { return "ext-" + s.Name }

// Container is what runs.
type Container struct {
	Entrypoint      string   // required; relative to the container's root file system
	Environment     []string // NAME=value, literal
	EnvironmentFile string   // absolute path on the host of a dotenv file; the service waits for it
	Args            []string
	Mounts          []Mount
	Security        Security
}

// Mount is an OCI mount: https://github.com/opencontainers/runtime-spec/blob/main/config.md#mounts
type Mount struct {
	Source      string
	Destination string
	Type        string
	Options     []string
	UIDMappings []IDMapping
	GIDMappings []IDMapping
}

// IDMapping is an OCI id mapping of a mount.
type IDMapping struct {
	ContainerID uint32
	HostID      uint32
	Size        uint32
}

// Security loosens or tightens the container's view of the host.
type Security struct {
	WriteableRootfs   bool
	WriteableSysfs    bool
	MaskedPaths       []string // nil: containerd's defaults; empty: none
	ReadonlyPaths     []string // nil: containerd's defaults; empty: none
	RootfsPropagation string   // "" (private), private, slave, shared, unbindable and their r-forms
}

// Dependency is one item of depends: exactly one field is set.
type Dependency struct {
	Service       string   // a service is up
	Path          string   // an absolute path exists
	Network       []string // addresses, connectivity, hostname, etcfiles; never empty
	Time          bool     // the clock is synchronised
	Configuration bool     // an ExtensionServiceConfig of this name exists
}

// RestartPolicy says what follows when the task ends.
type RestartPolicy string

// The restart policies, as they are written.
const (
	RestartAlways       RestartPolicy = "always"
	RestartNever        RestartPolicy = "never"
	RestartUntilSuccess RestartPolicy = "untilSuccess"
)

// Extactor holds extactor's own additions.
type Extactor struct {
	Stop Stop
}

// Stop says how the task is asked to end.
type Stop struct {
	Signal  string        // "SIGTERM" by default; always with the SIG prefix once parsed
	Timeout time.Duration // until SIGKILL; 10 s by default
}
