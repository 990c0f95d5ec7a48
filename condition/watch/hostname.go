package watch

import (
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/condition"
)

// hostnameFile can be polled for changes of the host name in any namespace; reading it gives the reader's.
const hostnameFile = "/proc/sys/kernel/hostname"

// hostname observes the kernel's host name.
type hostname struct {
	watchers *Watchers
	source   *source

	stop     func()
	reported bool
}

func (h *hostname) observe(publish func(condition.Fact)) {
	failure := h.subscribe()

	name, err := h.read()
	if err == nil {
		publish(condition.HostnameFact{Hostname: name})
	} else if failure == nil {
		failure = err
	}

	if failure == nil {
		h.reported = false

		return
	}

	if !h.reported {
		h.reported = true
		h.watchers.options.Logger.Warn().Err(failure).Msg("cannot be told of host name changes: looking at intervals")
	}

	h.source.lookAfter(h.watchers.options.PollInterval)
}

func (h *hostname) subscribe() error {
	if h.stop != nil {
		return nil
	}

	stop, err := notify(hostnameFile, h.source.look)
	if err == nil {
		h.stop = stop
	}

	return err
}

func (h *hostname) read() (string, error) {
	var name unix.Utsname

	err := inNamespace(h.watchers.options.UTSNamespace, unix.CLONE_NEWUTS, func() error { return unix.Uname(&name) })

	return unix.ByteSliceToString(name.Nodename[:]), err
}

func (h *hostname) release() {
	if h.stop != nil {
		h.stop()
	}
}
