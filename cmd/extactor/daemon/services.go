package daemon

import (
	"context"
	"os"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/condition/probe"
	"github.com/extactor/extactor/condition/watch"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// startServices brings the services to life, and has them follow their files.
func (d *daemon) startServices(ctx context.Context) error {
	watchers, err := watch.New(watch.Options{Logger: d.console.log})
	if err != nil {
		return err
	}

	d.onClose(func() { watchers.Close() })

	desired, link := d.files.load(), new(probe.Given)

	prober, err := newProber(d.files.hosts, watchers, link, &d.logdRow, d.runtime)
	if err != nil {
		return err
	}

	// Before anything starts, so that no first line is missed.
	lines := newLines(logs.In(d.options.RunDir), d.console, d.options.ShowAllLines)
	d.onClose(lines.close)
	lines.follow(desired.Services)

	d.system, err = actors.Start(actors.Config{
		Journal: d.journal, Runtime: linkedRuntime{Runtime: d.runtime, link: link}, Watcher: watchers, Clock: kernelClock{},
		Prober: prober, JournalHealth: journalHealth(d.journal),
		Logger: newLogger(&d.console.log), Desired: desired,
		BootID: d.bootID, Version: d.options.Version.Tag, PID: int32(os.Getpid()), Key: d.instance.key,
		Fatal: d.crash,
	})
	if err != nil {
		return err
	}

	d.onClose(d.system.Close)
	d.awaitViews(ctx, desired.Services)

	reloads := newReloads(d.files, d.system, lines, d.console.log)
	d.onClose(reloads.close)
	d.onClose(watchers.Directory(d.options.ServicesDir, reloads.trigger))
	d.onClose(watchers.Directory(d.options.ConfigDir, reloads.trigger))
	d.reloads = reloads

	d.startUpgrade()

	reloads.trigger() // what changed since the files were read was not seen by anybody

	return nil
}

// awaitViews returns once every service has read its history, so that whoever asks afterwards finds them all; or once the
// daemon is to end.
func (d *daemon) awaitViews(ctx context.Context, services []*spec.Service) {
	ids := []string{service.Runtime, service.Journal}
	for _, file := range services {
		ids = append(ids, file.ID())
	}

	for _, id := range ids {
		for {
			changed := d.system.Changed()
			if _, found := d.system.View(id); found {
				break
			}

			select {
			case <-changed:
			case <-d.options.Stop:
				return
			case <-d.options.Leave:
				return
			case <-ctx.Done():
				return
			}
		}
	}
}
