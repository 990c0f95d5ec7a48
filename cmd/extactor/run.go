package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/cmd/extactor/author"
	"github.com/extactor/extactor/cmd/extactor/daemon"
	"github.com/extactor/extactor/condition/watch"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/spec"
)

// scratchBelow is where a private daemon has its scratch file system.
const scratchBelow = "/run"

// runOptions are what `extactor run` is told.
type runOptions struct {
	path, rootfs, config, ociRuntime string
}

func (a *app) runCommand() *cobra.Command {
	var options runOptions

	command := &cobra.Command{
		Use:   "run DIR|FILE",
		Short: "Run the services of a directory, or one, in the foreground, while you write them",
		Long: `Run the services of a directory, or one, in the foreground, while you write them. A private daemon shows their events and
what they print. It follows every change of the service files, and restarts a service whose program was built anew.
Ctrl-C stops the services and leaves nothing behind; a second one hurries. DIR is one of:

  DIR/*.yaml with DIR/NAME/, or with one DIR/rootfs/     service files beside their root file systems
  DIR/rootfs/usr/local/etc/containers/*.yaml             the layout of a system extension, with the root file
    with DIR/rootfs/usr/local/lib/containers/NAME/       systems where it has them
  DIR/usr/local/etc/containers/*.yaml                    the same without rootfs

Of the directory that a FILE is in, only that service is run.`,
		Example: "  extactor run examples/hello-world --rootfs bin/rootfs",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			options.path = args[0]
			if err := a.runDirectory(command.Context(), options); err != nil {
				return fmt.Errorf("cannot run %q: %w", options.path, err)
			}

			return nil
		},
	}

	flags := command.Flags()
	flags.StringVar(&options.rootfs, "rootfs", "", "directory of root file systems, one for each service, where they are not in DIR")
	flags.StringVar(&options.config, "config", "", "directory of ExtensionServiceConfig documents")
	flags.StringVar(&options.ociRuntime, "oci-runtime", "auto", "auto, runc, crun, or the path of another")

	return command
}

// runDirectory is the life of a private daemon.
func (a *app) runDirectory(ctx context.Context, options runOptions) (err error) {
	layout, err := author.Find(options.path, options.rootfs)
	if err != nil {
		return err
	}

	if options.config != "" {
		if err := author.IsDirectory(options.config); err != nil {
			return fmt.Errorf("--config: %w", err)
		}
	}

	if os.Geteuid() != 0 {
		return fmt.Errorf("containers, mounts and cgroups need root; try: sudo extactor run %s", options.path)
	}

	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}

	// A terminal that is closed, or a reader that went away, is no reason to leave containers behind.
	wanted, end := listen(unix.SIGHUP)
	defer end()

	hangUpWithReader()

	scratch, err := author.Open(options.path, scratchBelow)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, scratch.Close()) }()

	settings, err := a.private(layout, scratch.Path, options)
	if err != nil {
		return err
	}

	settings.Command = []string{program}
	settings.Stop, settings.Hurry = wanted.stop, wanted.hurry

	unfollow, err := a.followBuilds(&settings)
	if err != nil {
		return err
	}
	defer unfollow()

	return daemon.Run(ctx, settings)
}

// followBuilds has the daemon restart services whose program was built anew, until it is told to end.
func (a *app) followBuilds(settings *daemon.Options) (end func(), err error) {
	watchers, err := watch.New(watch.Options{})
	if err != nil {
		return nil, err
	}

	rebuilds := newRebuilds(a, filepath.Join(settings.RunDir, api.SocketName))
	builds := author.NewBuilds(watchers, settings.RootfsDir, rebuilds.built)
	loaded, ready := settings.Loaded, settings.Ready

	settings.Loaded = func(services []*spec.Service, problems spec.Problems) {
		loaded(services, problems)
		builds.Follow(services)
	}
	settings.Ready = func() {
		ready()
		close(rebuilds.ready)
	}

	stopping := make(chan struct{})

	go func() { // what is being stopped is not to be started again
		select {
		case <-settings.Stop:
			rebuilds.cancel()
		case <-stopping:
		}
	}()

	return func() {
		close(stopping)
		builds.Close()
		rebuilds.close()
		watchers.Close()
	}, nil
}

// private are the options of a daemon for one author.
func (a *app) private(layout author.Layout, scratch string, options runOptions) (daemon.Options, error) {
	run, links, config := filepath.Join(scratch, "run"), filepath.Join(scratch, "rootfs"), options.config
	if config == "" {
		config = filepath.Join(scratch, "config")
	}

	rootfs := layout.Rootfs
	if layout.Shared != "" {
		rootfs = links
	}

	for _, directory := range []string{links, filepath.Join(scratch, "config")} {
		if err := os.MkdirAll(directory, 0o700); err != nil {
			return daemon.Options{}, err
		}
	}

	problems, missing := author.NewProblems(a.stderr), author.NewMissing(a.stderr, layout)

	return daemon.Options{
		ServicesDir: layout.Services, ServiceFile: layout.File, RootfsDir: rootfs, ConfigDir: config,
		StateDir: filepath.Join(scratch, "state"), RunDir: run,
		Containerd: oci.Embedded, OCIRuntime: options.ociRuntime, Console: daemon.ConsoleStderr,
		Version:      api.Version{Tag: version},
		ShowAllLines: true, Private: true,
		Loaded: func(services []*spec.Service, found spec.Problems) {
			problems.Show(found)
			missing.Show(services)

			if layout.Shared == "" {
				return
			}

			for _, service := range services {
				if err := layout.Link(links, service.Name); err != nil {
					fmt.Fprintf(a.stderr, "extactor: cannot give %s its root file system: %v\n", service.ID(), err)
				}
			}
		},
		Ready: func() {
			fmt.Fprintf(a.stderr, "extactor: running; edit %s as you like, Ctrl-C ends it. In another terminal, as root:\n"+
				"  export %s=%s\n  extactor status\n", layout.Edited(), socketVariable, filepath.Join(run, api.SocketName))
		},
	}, nil
}
