package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci/program"
	"github.com/extactor/extactor/service"
)

const (
	// settleLimit is how long starts and stops that are under way hold up an upgrade.
	settleLimit = time.Minute

	// The pauses between attempts to replace what could not be replaced.
	upgradePauseMin = 10 * time.Second
	upgradePauseMax = 5 * time.Minute
)

// part is a process beside the daemon that outlives it, and so may be of another version.
type part interface {
	Outdated() (version string, outdated bool)
	Replace(ctx context.Context) error
}

// startUpgrade replaces logd and containerd where an earlier daemon left those of another version. What runs is adopted
// through them first: nothing depends on the replacement.
func (d *daemon) startUpgrade() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})

	go func() {
		defer close(ended)
		d.upgrade(ctx)
	}()

	d.onClose(func() {
		cancel()
		<-ended
	})
}

func (d *daemon) upgrade(ctx context.Context) {
	d.awaitSettled(ctx)

	for pause := upgradePauseMin; ctx.Err() == nil; pause = min(2*pause, upgradePauseMax) {
		logdErr := d.replace(ctx, "logd", d.logd)
		if logdErr != nil && ctx.Err() == nil {
			version, _ := d.logd.Outdated()
			d.logdRow.Set(true, "running, of "+program.Described(version, d.options.Version.Tag)+": "+logdErr.Error())
		}

		if errors.Join(logdErr, d.replace(ctx, service.Runtime, d.runtime)) == nil {
			return
		}

		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// replace returns nil where there is nothing to replace.
func (d *daemon) replace(ctx context.Context, name string, old part) error {
	version, outdated := old.Outdated()
	if !outdated {
		return nil
	}

	log := d.console.log.With().Str("from", version).Str("to", d.options.Version.Tag).Logger()

	err := old.Replace(ctx)

	switch {
	case err == nil:
		log.Info().Msg(name + " of another version was replaced")
	case ctx.Err() == nil:
		log.Error().Err(err).Msg(name + " of another version stays for now; services go on")
	}

	return err
}

// awaitSettled waits until there is a connection to containerd and no service is being started or stopped. A start that
// hangs does not hold up the upgrade for ever: calls to containerd are never interrupted.
func (d *daemon) awaitSettled(ctx context.Context) {
	var limit <-chan time.Time // runs once there is a connection

	for {
		changed := d.system.Changed()

		if runtime, _ := d.system.View(service.Runtime); runtime.State == events.StateRunning {
			if !d.busy() {
				return
			}

			if limit == nil {
				limit = time.After(settleLimit)
			}
		}

		select {
		case <-changed:
		case <-limit:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (d *daemon) busy() bool {
	for _, view := range d.system.Views() {
		if view.State == events.StatePreparing || view.State == events.StateStopping {
			return true
		}
	}

	return false
}
