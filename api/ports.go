// Package api is the gRPC interface of the daemon, and its client. It serves Talos's own machine.MachineService, and
// extactor.v1 for what Talos has no word for: over a unix socket that only its owner may open, and over the network to
// clients whose certificate has the role for it.
//
// It decides nothing: what it shows and whom it asks are the ports declared here.
package api

import (
	"context"
	"io"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// Services is what the daemon supervises.
type Services interface {
	// Views returns every service as it is now, sorted by id, the built-in ones among them. It never blocks.
	Views() []events.View
	// View returns one service by its exact id.
	View(id string) (events.View, bool)
	// Rejected returns the files that have problems now, and so are not used. It never blocks.
	Rejected() []*events.SpecRejected
	// Changed returns a channel that is closed at the next change of any view, or of what is rejected; ask for a new one
	// before reading.
	Changed() <-chan struct{}
	// Command gives a person's order to a service by its exact id: StartService, StopService, RestartService or
	// SignalService. It returns the sequence of the last record that was written for it, once the views show what was
	// decided. An error means that nothing was done: the order was refused, or the daemon is shutting down.
	Command(ctx context.Context, id string, order events.Order, origin *events.Origin) (seq uint64, err error)
}

// Journal is the event store as the API reads it.
type Journal interface {
	// Tail returns the last n records of a service whose Message is not empty, oldest first; the empty name means those
	// of every service and of the daemon itself.
	Tail(service string, n int) ([]events.Record, error)
	// Subscribe yields every record after a sequence, first those that exist, then new ones. A slow reader never holds
	// up the journal.
	Subscribe(after uint64) Subscription
}

// Subscription is a place in the journal.
type Subscription interface {
	// Next waits for the next record. It fails when the context ends or the journal is closed.
	Next(ctx context.Context) (events.Record, error)
	Close()
}

// Logs are the lines that services write.
type Logs interface {
	// Open reads what is wanted of a service's log, and then ends with io.EOF. One that is followed ends with the context,
	// if it does not before. Of several services lines are in the order of their times, each with its service before it.
	Open(ctx context.Context, services []string, query LogQuery) (io.ReadCloser, error)
	// IDs returns those of the services that have a log, sorted.
	IDs() ([]string, error)
}

// LogQuery says which lines of a log are wanted.
type LogQuery struct {
	Tail         int       // only the last of those that are wanted, so many of each service; negative: all
	Since, Until time.Time // only those of which anything arrived in this time, by the clock of then; zero: there is no such limit
	Follow       bool      // go on with those that are yet to come, up to Until
	Timestamps   bool      // before each the time at which it began to arrive
}

// Configs are the ExtensionServiceConfig documents.
type Configs interface {
	// Apply stores the documents of content, which source names in problems, and returns once the services have been told.
	// Where a problem is an error, nothing was stored.
	Apply(ctx context.Context, source string, content []byte) ([]AppliedConfig, []Change, spec.Problems, error)
	// Delete removes the document of that name, and returns once the services have been told.
	Delete(ctx context.Context, name string) ([]Change, error)
	// Load returns the documents that are stored, and what is wrong with others.
	Load() ([]*spec.Config, spec.Problems)
}

// AppliedConfig tells what became of one document.
type AppliedConfig struct {
	Name   string
	Action string // created, changed, unchanged
	Source string // the file that has it now
}

// Files are what services are made from: the directories of service files and of configuration.
type Files interface {
	// Reload reads them anew and returns once the services have been told, with all that is wrong in them.
	Reload(ctx context.Context) ([]Change, spec.Problems, error)
}

// Change is what following the files did to one service.
type Change struct {
	ID     string
	Action string // added, changed, removed, ignored
}

// Commands are run in containers, beside the service.
type Commands interface {
	// Exec runs a command to its end, or until the context ends, which kills it. An error with a code that is not
	// negative tells why the command could not be executed (126, 127); with any other nothing was run, or its end is not
	// known.
	Exec(ctx context.Context, request ExecRequest) (code int, err error)
}

// ExecRequest is a command to run in the container of a running service.
type ExecRequest struct {
	ID      string // exact
	Attempt uint64 // of the service
	Args    []string
	Env     []string // NAME=value
	Cwd     string   // in the container; empty: where the service itself began

	Terminal bool              // all output then goes to Stdout
	Resize   <-chan WindowSize // sizes of the terminal

	Stdin  io.Reader // nil: it reads nothing
	Stdout io.Writer // may be written to together with Stderr
	Stderr io.Writer
}

// WindowSize is the size of a terminal in characters.
type WindowSize struct {
	Columns, Rows uint32
}

// Meters tell what the containers of services take of the host.
type Meters interface {
	// Usages measures services by their exact ids. Those that have no container now are not in the answer.
	Usages(ids []string) (map[string]Usage, error)
}

// Usage is what one container takes.
type Usage struct {
	CPU    time.Duration // processor time since the container began, of all processors together
	Memory uint64        // bytes in use, without page cache that can be dropped at once
}

// Containers are what containerd shows of this instance.
type Containers interface {
	// Tasks returns the containers that have a task, whatever has become of it, sorted by id.
	Tasks(ctx context.Context) ([]Task, error)
}

// Task is a container with a task.
type Task struct {
	ID     string
	PID    uint32
	Status string // containerd's word for it, such as RUNNING
}

// Machine is the host as its kernel describes it, in the words of Talos's API.
type Machine interface {
	Hostname() (string, error)
	LoadAvg() (*machine.LoadAvg, error)
	Memory() (*machine.MemInfo, error)
	SystemStat() (*machine.SystemStat, error)
	CPUInfo() ([]*machine.CPUInfo, error)
	CPUFrequencies() ([]*machine.CPUFreqStats, error)
	NetworkDevices() (*machine.NetworkDeviceStats, error)
	Disks() (*machine.DiskStats, error)
	Processes() ([]*machine.ProcessInfo, error)
	// Mounts leaves sizes out that a file system does not tell at once.
	Mounts(ctx context.Context) ([]*machine.MountStat, error)
	// Log yields the lines of the kernel's log with their ends: those that there are, or none of them with tail, then with
	// follow new ones until the context ends. It ends with the error of yield.
	Log(ctx context.Context, follow, tail bool, yield func(line []byte) error) error
}

// Options are what a server needs; all but Past, Keeper and Version must be set.
type Options struct {
	Services Services
	Journal  Journal
	Past     History // what is not set cannot be asked
	Keeper   Keeper
	Logs     Logs
	Configs  Configs
	Files    Files
	Commands Commands
	Meters   Meters
	Tasks    Containers
	Machine  Machine
	Now      func() *events.Instant // both clocks
	BootID   string                 // kernel boot id to which Now's BootNs belongs
	Version  Version
	Host     Host
}

// Host tells what a daemon is on its host.
type Host struct {
	Instance string               // UUID of this installation
	Started  *events.Instant      // when the daemon began
	Places   func() *apiv1.Places // where it finds and keeps things
}

// Version identifies a build.
type Version struct {
	Tag   string // "v0.1.0"
	SHA   string // of the commit
	Built string // RFC 3339
}
