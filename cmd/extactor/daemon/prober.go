package daemon

import (
	"context"
	"io"

	"github.com/extactor/extactor/condition/probe"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// prober tells the actors how services of the host and running tasks are.
type prober struct {
	hosts   map[string]probe.Probe
	runtime *oci.Runtime
}

// newProber knows the services of the host that are configured, and the defaults for the others. link is the state of the
// connection to containerd, which stands in for a CRI where none is installed; logd is the state of that process.
func newProber(
	configured []spec.HostService, watcher probe.Watcher, link, logd *probe.Given, runtime *oci.Runtime,
) (*prober, error) {
	hosts := probe.Defaults(watcher, link)

	for _, host := range configured {
		made, err := probe.New(host, watcher)
		if err != nil {
			return nil, err
		}

		hosts[host.Name] = made
	}

	hosts[logdName] = logd

	return &prober{hosts: hosts, runtime: runtime}, nil
}

// KnowsHost implements actors.Prober.
func (p *prober) KnowsHost(name string) bool { return p.hosts[name] != nil }

// WatchHost implements actors.Prober.
func (p *prober) WatchHost(name string, push func(up bool, detail string)) (stop func()) {
	return p.hosts[name].Watch(push)
}

// MonitorHealth implements actors.Prober.
func (p *prober) MonitorHealth(ctx context.Context, task service.Task, health spec.Health, report func(healthy bool, message string)) {
	exec := func(ctx context.Context, command []string, output io.Writer) (int, error) {
		return p.runtime.Exec(ctx, task, service.ExecRequest{Args: command, Stdout: output, Stderr: output})
	}

	probe.Monitor(ctx, health, func(ctx context.Context) (string, error) { return probe.Check(ctx, health, exec) }, report)
}

// linkedRuntime is the container runtime, whose link others follow too.
type linkedRuntime struct {
	*oci.Runtime

	link *probe.Given
}

// Link implements actors.Runtime.
func (r linkedRuntime) Link(ctx context.Context, up func(address, version string), down func(problem error)) {
	r.Runtime.Link(ctx,
		func(address, version string) {
			r.link.Set(true, "containerd "+version)
			up(address, version)
		},
		func(problem error) {
			r.link.Set(false, problem.Error())
			down(problem)
		},
	)
}
