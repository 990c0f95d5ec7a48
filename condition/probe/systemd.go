package probe

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

const (
	systemdSilent   = "systemd does not answer"
	systemdTimeout  = 5 * time.Second        // until a bus or a systemd that does not answer is given up
	systemdRetry    = 100 * time.Millisecond // until the first attempt to connect again, doubled with each further one
	systemdMaxRetry = 10 * time.Second
	connectionCheck = time.Second // looks at our own end only
)

// systemd is up while the unit's ActiveState is active (or reloading, which is active too), as systemd notifies it over
// D-Bus. A name without a suffix is that of a service.
func systemd(unit string) Probe { return systemdWithin(unit, systemdTimeout) }

func systemdWithin(unit string, timeout time.Duration) Probe {
	if !strings.Contains(unit, ".") {
		unit += ".service"
	}

	return running(func(ctx context.Context, tell tell) {
		retry := systemdRetry

		for {
			lost := followUnit(ctx, unit, timeout, tell)
			if ctx.Err() != nil {
				return
			}

			// A bus that was only restarted is there again at the first attempt: nothing is said until that fails.
			if lost {
				retry = systemdRetry
			} else {
				tell(false, systemdSilent)
			}

			if !pause(ctx, retry) {
				return
			}

			retry = min(2*retry, systemdMaxRetry)
		}
	})
}

// followUnit tells of the unit for as long as systemd answers. It reports whether only the connection was lost after that.
func followUnit(ctx context.Context, unit string, timeout time.Duration, tell tell) (lost bool) {
	ctx, cancel := context.WithCancel(ctx) // ends the connection, and so every call that waits for an answer
	defer cancel()

	deadline := time.AfterFunc(timeout, cancel)
	defer deadline.Stop()

	connection, err := dbus.NewWithContext(ctx)
	if err != nil {
		return false
	}
	defer connection.Close()

	updates, overrun := make(chan *dbus.PropertiesUpdate, 256), make(chan error, 1)
	connection.SetPropertiesSubscriber(updates, overrun)

	if err = connection.Subscribe(); err != nil {
		return false
	}

	deadline.Stop()

	answered := false
	changed := make(chan struct{}, 1)
	changed <- struct{}{}

	go drain(ctx, updates, overrun, changed)

	check, reread := time.NewTicker(connectionCheck), time.NewTicker(recheckAfter)
	defer check.Stop()
	defer reread.Stop()

	for {
		select {
		case <-ctx.Done():
			return answered
		case <-check.C:
			if !connection.Connected() {
				return answered
			}

			continue
		case <-changed:
		case <-reread.C: // a bus may live on while systemd does not
		}

		up, detail, err := readUnit(ctx, connection, unit, timeout)
		if err != nil {
			return answered && !connection.Connected()
		}

		answered = true
		tell(up, detail)
	}
}

// drain keeps the library's channels empty, and says that something changed; which unit it was may not be known by the
// name that was asked for, because units have aliases.
func drain(ctx context.Context, updates <-chan *dbus.PropertiesUpdate, overrun <-chan error, changed chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case update := <-updates:
			if _, state := update.Changed["ActiveState"]; !state && len(update.Changed) > 0 {
				continue
			}
		case <-overrun:
		}

		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

func readUnit(ctx context.Context, connection *dbus.Conn, unit string, timeout time.Duration) (
	up bool, detail string, err error,
) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	properties, err := connection.GetUnitPropertiesContext(ctx, unit)
	if err != nil {
		return false, "", err
	}

	active, _ := properties["ActiveState"].(string)
	if loaded, _ := properties["LoadState"].(string); loaded == "not-found" {
		active = "not found"
	}

	return active == "active" || active == "reloading", fmt.Sprintf("unit %q is %s", unit, oneLine(active)), nil
}
