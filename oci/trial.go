package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/spec"
)

// trialTimeout bounds the trial of an OCI runtime at the daemon's start.
const trialTimeout = 5 * time.Second

// Trial is where OCI runtimes are tried on a container: everything of it is in one directory and in one cgroup, so that
// the next daemon finds what one left that was killed meanwhile. Only one process at a time may use it.
type Trial struct{ directory, cgroup string }

// TrialIn is the trial of the daemon of a run directory.
func TrialIn(runDir, cgroupParent string) Trial {
	return Trial{directory: filepath.Join(runDir, "trial"), cgroup: cgroupParent + ".trial"}
}

// of lets the runtime create a container as ours are, up to the point where the program would be started.
func (t Trial) of(ctx context.Context, binary string) error {
	if err := t.Remove(ctx); err != nil {
		return err
	}

	defer func() { _ = t.Remove(ctx) }() // what it cannot remove the next daemon tells of

	service, err := t.prepare()
	if err != nil {
		return fmt.Errorf("cannot prepare its trial: %w", err)
	}

	// The container's first process inherits the output: a file, because a pipe would be read until that one ends.
	output, err := os.Create(filepath.Join(t.directory, "output"))
	if err != nil {
		return fmt.Errorf("cannot prepare its trial: %w", err)
	}
	defer output.Close()

	limit, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()

	create := exec.CommandContext(limit, binary, "--root", t.state(), "create", "--bundle", t.directory, service)
	create.Stdout, create.Stderr = output, output

	err = runMortal(create)
	if err == nil {
		err = t.checkState(limit, binary, service)
	}

	if err != nil {
		said, _ := os.ReadFile(output.Name())
		reason := strings.TrimSpace(strings.TrimSpace(string(said)) + " (" + err.Error() + ")")

		return fmt.Errorf("it cannot create a container on this host: %s", reason)
	}

	return nil
}

// runMortal runs a command that is killed when this process dies, so that it makes nothing more behind the back of the
// next daemon. The kernel sends that signal when the thread ends which has started the command.
func runMortal(command *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}

	return command.Run()
}

func (t Trial) state() string { return filepath.Join(t.directory, "state") }

// checkState tells an OCI runtime from a program that ends well whatever it is asked.
func (t Trial) checkState(ctx context.Context, binary, id string) error {
	said, err := exec.CommandContext(ctx, binary, "--root", t.state(), "state", id).Output()
	if err != nil {
		return err
	}

	var state specs.State
	if err := json.Unmarshal(said, &state); err != nil || state.ID != id {
		return errors.New("it does not tell the state of a container: is it an OCI runtime?")
	}

	return nil
}

// prepare makes the bundle of the smallest service. The runtime's own binary stands in for a program: it is never
// started, but must exist.
func (t Trial) prepare() (id string, err error) {
	capabilities, err := HostCapabilities()
	if err != nil {
		return "", err
	}

	tried := &spec.Service{Name: "trial", Container: spec.Container{Entrypoint: "/proc/self/exe"}}

	generated, err := Generate(tried, Host{Capabilities: capabilities, CgroupParent: t.cgroup}, nil, nil)
	if err != nil {
		return "", err
	}

	if err := os.MkdirAll(filepath.Join(t.directory, "rootfs"), 0o700); err != nil {
		return "", err
	}

	return tried.ID(), writeBundle(t.directory, generated)
}

func writeBundle(bundle string, generated *specs.Spec) error {
	config, err := json.Marshal(generated)
	if err != nil {
		return err
	}

	return os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600)
}

// Remove ends and removes all that a trial has made, also where the daemon that tried was killed. The OCI runtime is not
// asked: it may be another one by now, or none.
func (t Trial) Remove(ctx context.Context) error {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), trialTimeout)
	defer cancel()

	if err := t.remove(limit); err != nil {
		return fmt.Errorf("cannot remove what is left of the trial of an OCI runtime: %w", err)
	}

	return nil
}

func (t Trial) remove(ctx context.Context) error {
	if err := errors.Join(cgroup.Kill(ctx, t.cgroup), cgroup.Remove(t.cgroup)); err != nil {
		return err
	}

	parent, err := filepath.EvalSymlinks(filepath.Dir(t.directory)) // as the kernel shows it
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}

	// Nothing may be deleted through a mount.
	directory := filepath.Join(parent, filepath.Base(t.directory))

	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(directory))
	if err != nil {
		return err
	}

	for index := len(mounts) - 1; index >= 0; index-- {
		point := mounts[index].Mountpoint
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("cannot unmount %q: %w", point, err)
		}
	}

	return os.RemoveAll(directory)
}
