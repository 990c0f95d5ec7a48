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
	Stop           Stop
	Health         *Health // nil: no health check
	Resources      Resources
	Backoff        Backoff
	OnConfigChange ConfigChange        // what a changed ExtensionServiceConfig does to a running task
	ConfigSignal   string              // for ConfigSignals; "SIGHUP" by default
	Depends        []DependencyOptions // further demands on items of Service.Depends
}

// Stop says how the task is asked to end.
type Stop struct {
	Signal  string        // "SIGTERM" by default; always with the SIG prefix once parsed
	Timeout time.Duration // until SIGKILL; 10 s by default
}

// Health is a check of a running task. Exactly one of Exec, HTTP, TCP and Socket is set.
type Health struct {
	Exec             []string // command in the container; healthy when it exits with 0
	HTTP             string   // URL; healthy when it answers with a status below 400
	TCP              string   // host:port; healthy when it accepts
	Socket           string   // path of a unix socket on the host; healthy when it accepts
	Interval         time.Duration
	Timeout          time.Duration // of one check
	InitialDelay     time.Duration // after the task started
	FailureThreshold int           // failures in a row that make it unhealthy
	OnFailure        HealthFailure
}

// HealthFailure says what follows when a task becomes unhealthy.
type HealthFailure string

// The answers to an unhealthy task.
const (
	HealthFailureNone    HealthFailure = "none"    // only say so
	HealthFailureRestart HealthFailure = "restart" // stop it, then restart as after a failure
)

// Resources limit the container by its cgroup; zero is no limit.
type Resources struct {
	Memory int64   // bytes
	CPU    float64 // of one processor: 0.5 is half of one
	PIDs   int64   // processes and threads
}

// Backoff is the wait between a failure and the next start.
type Backoff struct {
	Initial    time.Duration // after the first failure; 100 ms by default, doubled with each further one
	Max        time.Duration // 30 s by default
	ResetAfter time.Duration // a task that ran so long has no failures before it; 60 s by default
}

// ConfigChange says what a changed ExtensionServiceConfig does to a running task.
type ConfigChange string

// The answers to a changed configuration.
const (
	ConfigRestarts ConfigChange = "restart" // the default
	ConfigSignals  ConfigChange = "signal"  // send ConfigSignal; restart where the environment changed
	ConfigIgnored  ConfigChange = "none"    // only say that a restart is pending
)

// DependencyOptions make further demands on the item of Service.Depends with the same Dependency. They stand apart from
// it so that Talos ignores them.
type DependencyOptions struct {
	Dependency Dependency
	Until      DependencyUntil // services only
	Timeout    time.Duration   // from the entry to Waiting; 0: none
	OnTimeout  TimeoutAction
}

// DependencyUntil says when a service that is depended on is far enough.
type DependencyUntil string

// How far a service that is depended on must be.
const (
	UntilUp        DependencyUntil = "up"        // running, and healthy where it has a health check; the default
	UntilCompleted DependencyUntil = "completed" // finished without error
)

// TimeoutAction says what follows when a dependency is not met in time.
type TimeoutAction string

// The answers to a dependency that is not met in time.
const (
	TimeoutWaits TimeoutAction = "wait" // say so, and wait on; the default
	TimeoutSkips TimeoutAction = "skip" // the service is Skipped
	TimeoutFails TimeoutAction = "fail" // the service is Failed
)
