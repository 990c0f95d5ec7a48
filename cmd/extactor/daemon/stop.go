package daemon

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
)

// How long the parts that are not services may take to end.
const partTimeout = 10 * time.Second

// stop ends the services in reverse order of dependency, then logd, then the embedded containerd.
func (d *daemon) stop() error {
	err := d.system.Shutdown(context.Background(), d.options.Hurry)
	d.note("all services are stopped")

	ctx, cancel := context.WithTimeout(context.Background(), partTimeout)
	defer cancel()

	d.system.Close()

	err = errors.Join(err, d.logd.Stop(ctx), d.runtime.Shutdown(ctx))
	d.close()

	return err
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
