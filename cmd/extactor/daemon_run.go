package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/cmd/extactor/daemon"
)

// runDaemon is the daemon's life, from its flags to its end.
func (a *app) runDaemon(ctx context.Context, options daemonOptions) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find this program: %w", err)
	}

	wanted, end := listen()
	defer end()

	// From the first moment: it would end this process.
	reread := make(chan os.Signal, 1)
	signal.Notify(reread, unix.SIGHUP)

	defer signal.Stop(reread)

	go func() {
		select {
		case <-wanted.stop:
		case <-wanted.leave:
		}

		notify(a.stderr, systemd.SdNotifyStopping)
	}()

	return daemon.Run(ctx, daemon.Options{
		ServicesDir: options.services, RootfsDir: options.rootfs, ConfigDir: options.config,
		StateDir: options.state, StateMount: options.stateMount, SyncAlways: options.sync == syncAlways, RunDir: options.run,
		Containerd: options.containerd, OCIRuntime: options.ociRuntime, Console: options.console,
		Listen: options.listen, CredentialsDir: options.credentials,
		Command: []string{program}, Version: api.Version{Tag: version},
		Ready: func() { notify(a.stderr, systemd.SdNotifyReady) },
		Stop:  wanted.stop, Hurry: wanted.hurry, Leave: wanted.leave, Reload: reread,
	})
}
