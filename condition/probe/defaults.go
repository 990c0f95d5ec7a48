package probe

import (
	"context"
	"sync"
)

// Where the container runtimes of Kubernetes listen.
var criSockets = []string{
	"/run/containerd/containerd.sock", "/run/crio/crio.sock", "/var/run/cri-dockerd.sock",
	"/run/k3s/containerd/containerd.sock",
}

const udevSocket = "/run/udev/control"

// Defaults are the probes of host services that service files in the wild depend on, by name, where extactor's own
// configuration does not say otherwise:
//
//   - "cri" is up while one of the known CRI sockets accepts. Where none of them exists it is up while the runtime is,
//     with the detail "assumed: no CRI is installed".
//   - "udevd" is up while its control socket accepts. Where that does not exist it is assumed to be up.
//
// runtime is the link to the runtime that runs extactor's own containers: a Given, if the program pushes its state.
func Defaults(watcher Watcher, runtime Probe) map[string]Probe {
	return map[string]Probe{
		"cri":   sockets(criSockets, watcher, &fallback{probe: runtime, reason: "no CRI is installed"}),
		"udevd": sockets([]string{udevSocket}, watcher, &fallback{probe: assumed(""), reason: "udev is not installed"}),
	}
}

// Given is a probe of what the program itself knows, such as its link to the container runtime. The zero value knows
// nothing yet, and so pushes nothing.
type Given struct {
	mu      sync.Mutex
	known   bool
	up      bool
	detail  string
	watches map[chan struct{}]struct{} // each is signalled at each change
}

// Set says what is known from now on. It never blocks.
func (g *Given) Set(up bool, detail string) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.known, g.up, g.detail = true, up, detail

	for changed := range g.watches {
		select {
		case changed <- struct{}{}:
		default: // it has not yet looked since the last change
		}
	}
}

// Watch implements Probe.
func (g *Given) Watch(push func(up bool, detail string)) (stop func()) {
	return running(g.follow).Watch(push)
}

func (g *Given) follow(ctx context.Context, tell tell) {
	changed := make(chan struct{}, 1)
	changed <- struct{}{}

	g.mu.Lock()
	if g.watches == nil {
		g.watches = map[chan struct{}]struct{}{}
	}

	g.watches[changed] = struct{}{}
	g.mu.Unlock()

	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()

		delete(g.watches, changed)
	}()

	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}

		g.mu.Lock()
		known, up, detail := g.known, g.up, g.detail
		g.mu.Unlock()

		if known {
			tell(up, detail)
		}
	}
}
