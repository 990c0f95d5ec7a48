package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/logs"
)

// How long the parts that are not services may take to end.
const partTimeout = 10 * time.Second

// stop ends the services in reverse order of dependency, then logd, then the embedded containerd: those of them that the
// start came to.
func (d *daemon) stop() error {
	var err error

	if d.system != nil {
		err = d.system.Shutdown(context.Background(), d.options.Hurry)
		d.note("all services are stopped")
		d.system.Close()
	}

	if d.logd != nil {
		err = errors.Join(err, d.stopParts())
	}

	d.close()

	if err == nil && d.logd != nil {
		err = d.removeFIFOs()
	}

	return err
}

// stopParts ends what runs beside the services.
func (d *daemon) stopParts() error {
	ctx, cancel := context.WithTimeout(context.Background(), partTimeout)
	defer cancel()

	err := d.logd.Stop(ctx)

	if d.runtime == nil {
		return errors.Join(err, cgroup.Remove(d.cgroupParent())) // where logd was
	}

	return errors.Join(err, d.runtime.Shutdown(ctx))
}

// removeFIFOs removes those of services that were prepared, but never had a task to be deleted.
func (d *daemon) removeFIFOs() error {
	dir := logs.In(d.options.RunDir)

	left, err := os.ReadDir(dir.FIFOs)
	if err != nil {
		return fmt.Errorf("cannot remove the FIFOs of logs: %w", err)
	}

	var problems []error

	for _, entry := range left {
		problems = append(problems, logs.Remove(dir, entry.Name()))
	}

	return errors.Join(problems...)
}

// leave ends this process only; the next daemon adopts what runs.
func (d *daemon) leave() {
	d.note("services are left running for the next daemon")
	d.close()
}

func (d *daemon) note(reason string) {
	event := events.New(&events.DaemonStopped{Reason: reason})
	d.journal.Append(events.Decision{
		At:      kernelClock{}.Now(),
		Entries: []events.Entry{{Event: event, Message: events.Text("", event)}},
	})
}

// readOnly tells whether a lock failed because nothing can be written there: then nobody else writes there either.
func readOnly(err error) bool { return errors.Is(err, unix.EROFS) || errors.Is(err, unix.ENOSPC) }
