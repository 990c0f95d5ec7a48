// Package daemon wires the parts of extactor into one running daemon, in the order in which they need each other, and
// takes them apart again in reverse.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/cmd/extactor/footprint"
	"github.com/extactor/extactor/condition/probe"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/spec"
)

// Options say where the daemon finds things and whom it listens to.
type Options struct {
	ServicesDir    string   // *.yaml, one service each
	ServiceFile    string   // the only one of them that counts; "" for all
	RootfsDir      string   // root file systems of the services
	ConfigDir      string   // ExtensionServiceConfig documents
	StateDir       string   // the journal; may appear later
	StateMount     string   // where set: the state directory counts only while this is a mount point
	RunDir         string   // everything that must not outlive a boot
	Containerd     string   // auto, embedded, or the path of a socket
	OCIRuntime     string   // auto, runc, crun, or a path
	Console        string   // auto, kmsg, stderr, off
	Listen         []string // addresses at which the network is served
	CredentialsDir string   // keys and certificates for that
	SyncAlways     bool     // every record is safe against a power cut before it counts

	Private bool // nobody follows this daemon: what it has started ends with it, also where it fails to start

	ShowAllLines bool // on the console also those of services without logToConsole
	// Loaded, where it is set, is told what the files say, each time before the services follow them. It shows the
	// problems, which otherwise go to the console.
	Loaded func(services []*spec.Service, problems spec.Problems)

	Command []string // of the internal processes: this program
	Version api.Version

	Ready func()          // called once everything answers
	Stop  <-chan struct{} // closed: stop all services, then end
	Hurry <-chan struct{} // closed: kill what has not stopped yet
	Leave <-chan struct{} // closed: end, and leave everything running for the next daemon

	Reload <-chan os.Signal // each time: read all files anew
}

// absolute makes every directory absolute: containerd, its shim and logd have other working directories.
func (o *Options) absolute() error {
	for _, directory := range []*string{&o.ServicesDir, &o.RootfsDir, &o.ConfigDir, &o.StateDir, &o.RunDir, &o.CredentialsDir} {
		path, err := filepath.Abs(*directory)
		if err != nil {
			return fmt.Errorf("cannot find directory %q: %w", *directory, err)
		}

		*directory = path
	}

	if o.StateMount != "" && !filepath.IsAbs(o.StateMount) {
		return fmt.Errorf("the mount point of the state directory %q is not an absolute path", o.StateMount)
	}

	return nil
}

// daemon is one run.
type daemon struct {
	options  Options
	instance instance
	bootID   string
	started  *events.Instant
	console  consoles
	undo     []func() // newest last

	stateLocked bool // or it is read-only, so that nobody else writes there either

	journal *journal.Journal
	logd    *logs.Daemon
	logdRow probe.Given // in status
	runtime *oci.Runtime
	files   *files
	system  *actors.System
	reloads *reloads
	network *network
}

// Run is the daemon's whole life. It returns once everything is stopped or left, or with what kept it from starting.
func Run(ctx context.Context, options Options) error {
	d := &daemon{options: options, started: kernelClock{}.Now()}
	defer d.close()

	if err := d.start(ctx); err != nil {
		err = fmt.Errorf("cannot start the daemon: %w", err)

		if d.options.Private {
			err = errors.Join(err, d.stop())
		}

		return err
	}

	d.options.Ready()

	cancelTrim := footprint.TrimOnceSettled()
	defer cancelTrim()

	for {
		select {
		case <-options.Reload:
			d.reloads.trigger()
		case <-options.Leave:
			d.leave()

			return nil
		case <-options.Stop:
			return d.stop()
		case <-ctx.Done():
			return d.stop()
		}
	}
}

// start brings the parts up; each registers how it is closed.
func (d *daemon) start(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("it must run as root, because it makes containers, mounts and cgroups")
	}

	if err := d.options.absolute(); err != nil {
		return err
	}

	console, err := openConsole(d.options.Console, os.Stderr)
	if err != nil {
		return err
	}

	d.console = console

	bootID, err := bootID()
	if err != nil {
		return err
	}

	d.bootID = bootID

	if err := d.claim(); err != nil {
		return err
	}

	if err := d.checkHost(ctx); err != nil {
		return err
	}

	d.listen()
	d.breakCrashLoop()

	d.files = newFiles(d.options, d.console.log)

	var system atomic.Pointer[actors.System]

	if err := d.openJournal(&system); err != nil {
		return err
	}

	if err := d.startLogs(ctx); err != nil {
		return err
	}

	if err := d.connect(); err != nil {
		return err
	}

	if err := d.startServices(ctx); err != nil {
		return err
	}

	system.Store(d.system)

	if err := d.serve(); err != nil {
		return err
	}

	return nil
}

func (d *daemon) onClose(undo func()) { d.undo = append(d.undo, undo) }

// close takes apart what start has put together, also where it failed half way.
func (d *daemon) close() {
	for i := len(d.undo) - 1; i >= 0; i-- {
		d.undo[i]()
	}

	d.undo = nil
}

func (d *daemon) cgroupParent() string { return "/" + namespace(d.options.RunDir) }

func (d *daemon) connect() error {
	connected, err := oci.New(oci.Config{
		RunDir: d.options.RunDir, RootfsDir: d.options.RootfsDir, Address: d.options.Containerd,
		Namespace: namespace(d.options.RunDir), CgroupParent: d.cgroupParent(),
		Instance: d.instance.id, Version: d.options.Version.Tag, OCIRuntime: d.options.OCIRuntime,
		Server: append(d.options.Command, "containerd", "--run", d.options.RunDir), Logger: d.console.log,
	})
	if err != nil {
		return err
	}

	d.runtime = connected
	d.onClose(func() { connected.Close() })

	return nil
}

// exitInternal is EX_SOFTWARE of sysexits.h: init starts the daemon again.
const exitInternal = 70
