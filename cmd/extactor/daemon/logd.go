package daemon

import (
	"context"
	"path/filepath"
	"sync/atomic"

	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/oci/program"
)

// logdName is the row of logd in status. It is shown as the services of the host are: observed, and not to be stopped.
const logdName = "logd"

// startLogs returns once logd runs, and shows in status how it is.
func (d *daemon) startLogs(ctx context.Context) error {
	var keeper atomic.Pointer[logs.Daemon] // it calls Started before it is known

	started, err := logs.StartDaemon(ctx, logs.DaemonOptions{
		Dir:     logs.In(d.options.RunDir),
		Command: append(d.options.Command, "logd", "--run", d.options.RunDir),
		Started: func(pid int) {
			if err := cgroup.Join(filepath.Join(d.cgroupParent(), oci.DaemonCgroup), pid); err != nil {
				d.console.log.Warn().Err(err).Msg("cannot put logd into its cgroup")
			}

			if known := keeper.Load(); known != nil {
				d.showLogd(known)
			}
		},
		Report: func(err error) {
			d.console.log.Warn().Err(err).Msg("logd")
			d.logdRow.Set(false, err.Error())
		},
	})
	if err != nil {
		return err
	}

	keeper.Store(started)
	d.showLogd(started)

	d.logd = started
	d.onClose(started.Release)

	return nil
}

// showLogd says that logd lives, and of which version it is where that is another one.
func (d *daemon) showLogd(keeper *logs.Daemon) {
	detail := "running"
	if version, outdated := keeper.Outdated(); outdated {
		detail += ", of " + program.Described(version, d.options.Version.Tag)
	}

	d.logdRow.Set(true, detail)
}
