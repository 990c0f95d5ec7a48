package main

import (
	"fmt"
	"io"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify tells the service manager that started us, if one did, how far we are. That it cannot be told is no reason to
// stop, only to say so.
func notify(stderr io.Writer, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		fmt.Fprintf(stderr, "extactor: cannot tell the service manager %q: %v\n", state, err)
	}
}
