package daemon

import (
	"context"
	"strings"

	"golang.org/x/sys/unix"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
)

// places are what people look for on this host.
func (d *daemon) places() *apiv1.Places {
	containerd, embedded := d.runtime.Address()
	addresses, problems := d.network.state()

	return &apiv1.Places{
		Services: d.options.ServicesDir, Rootfs: d.options.RootfsDir, Config: d.options.ConfigDir, State: d.options.StateDir,
		Run: d.options.RunDir, Containerd: containerd, Embedded: embedded, OciRuntime: d.options.OCIRuntime,
		Namespace: namespace(d.options.RunDir), Cgroup: d.cgroupParent(), Listen: addresses,
		ListenProblems: problems,
	}
}

// noRoom tells whether something failed because the run directory is full, as an OCI runtime may tell in words. What runs
// must be looked after all the same.
func noRoom(err error) bool { return strings.Contains(err.Error(), unix.ENOSPC.Error()) }

// checkHost finds out before anything is started whether containers can be made at all, and chooses the OCI runtime.
// Where that was left to extactor, it may still be installed, unless somebody sits there and waits.
func (d *daemon) checkHost(ctx context.Context) error {
	trial := oci.TrialIn(d.options.RunDir, d.cgroupParent())
	if err := trial.Remove(ctx); err != nil {
		d.console.log.Warn().Err(err).Msg("an earlier daemon was killed meanwhile")
	}

	hierarchies, err := cgroup.Directories("/")
	if err == nil && len(hierarchies) == 0 {
		d.console.log.Error().Msg("no cgroup file system is mounted (usually on /sys/fs/cgroup): no service can be started")

		return nil // no OCI runtime would work, whatever it is
	}

	chosen, err := oci.CheckOCIRuntime(ctx, d.options.OCIRuntime, trial)

	switch {
	case err == nil:
		d.options.OCIRuntime = chosen
	case (d.options.OCIRuntime == "auto" || d.options.OCIRuntime == "") && !d.options.Private, noRoom(err):
		d.console.log.Error().Err(err).Msg("no service can be started")
	default:
		return err
	}

	return nil
}
