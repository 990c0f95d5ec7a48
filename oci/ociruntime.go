package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/spec"
)

// probeTimeout bounds the trial of crun at the daemon's start.
const probeTimeout = 5 * time.Second

// SelectOCIRuntime returns the path of the OCI runtime that is to make the containers. The choice is "auto" (crun where
// it is installed and works on this host, because it is faster; else runc), "runc", "crun", or a path. crun is tried
// on a container first: some of its versions refuse some hosts' cgroups.
func SelectOCIRuntime(ctx context.Context, choice string) (binary string, err error) {
	switch choice {
	case "", "auto":
		crun, err := selectCrun(ctx)
		if err == nil {
			return crun, nil
		}
		if runc, err := exec.LookPath("runc"); err == nil {
			return runc, nil
		}
		return "", noRuntime(err)
	case "runc":
		runc, err := exec.LookPath("runc")
		if err != nil {
			return "", errors.New(`cannot use OCI runtime "runc": it is not installed (try: apt-get install runc)`)
		}
		return runc, nil
	case "crun":
		return selectCrun(ctx)
	}
	if !filepath.IsAbs(choice) {
		return "", fmt.Errorf("cannot use OCI runtime %q: it is none of auto, runc, crun, and not an absolute path", choice)
	}
	binary, err = exec.LookPath(choice)
	if err != nil {
		return "", fmt.Errorf("cannot use OCI runtime %q: %w", choice, cause(err))
	}
	return binary, nil
}

// CheckOCIRuntime selects as SelectOCIRuntime does, and tries also a runtime that was given by its path on a container:
// what merely can be executed need not be an OCI runtime.
func CheckOCIRuntime(ctx context.Context, choice string) (binary string, err error) {
	binary, err = SelectOCIRuntime(ctx, choice)
	if err == nil && filepath.IsAbs(choice) {
		err = probeOCIRuntime(ctx, binary)
		if err != nil {
			err = fmt.Errorf("cannot use OCI runtime %q: %w", choice, err)
		}
	}
	if err != nil {
		return "", err
	}
	return binary, nil
}

// noRuntime tells how to get a runtime, and why a crun that is there is not used.
func noRuntime(crun error) error {
	advice := "install runc with the system's package manager (apt-get install runc, dnf install runc, apk add runc), " +
		"or name a runtime by --oci-runtime"
	if errors.Is(crun, exec.ErrNotFound) {
		return errors.New("cannot find an OCI runtime: neither crun nor runc is installed: " + advice)
	}
	return fmt.Errorf("cannot find an OCI runtime: runc is not installed and crun does not work here: %w: %s", crun, advice)
}

func selectCrun(ctx context.Context) (string, error) {
	crun, err := exec.LookPath("crun")
	if err != nil {
		return "", fmt.Errorf(`cannot use OCI runtime "crun": it is not installed (try: apt-get install crun): %w`, err)
	}
	if err := probeOCIRuntime(ctx, crun); err != nil {
		return "", fmt.Errorf(`cannot use OCI runtime "crun": %w`, err)
	}
	return crun, nil
}

// probeOCIRuntime lets the runtime create a container as ours are, up to the point where the program would be started.
func probeOCIRuntime(ctx context.Context, binary string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	bundle, err := os.MkdirTemp("", fmt.Sprintf("extactor-probe-%d-", os.Getpid()))
	if err != nil {
		return err
	}
	defer os.RemoveAll(bundle)
	id := filepath.Base(bundle)
	if err := writeProbe(bundle); err != nil {
		return err
	}
	state := filepath.Join(bundle, "state")
	create := exec.CommandContext(ctx, binary, "--root", state, "create", "--bundle", bundle, id)
	// The container's first process inherits the output: a file, because a pipe would be read until that one ends.
	output, err := os.Create(filepath.Join(bundle, "output"))
	if err != nil {
		return err
	}
	defer output.Close()
	create.Stdout, create.Stderr = output, output
	err = create.Run()
	if err == nil {
		err = checkState(ctx, binary, state, id)
	}
	// Deleted also after a failure, and after the deadline: the cgroup may exist already.
	cleanup, cancelCleanup := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancelCleanup()
	_ = exec.CommandContext(cleanup, binary, "--root", state, "delete", "--force", id).Run()
	if err != nil {
		said, _ := os.ReadFile(output.Name())
		reason := strings.TrimSpace(strings.TrimSpace(string(said)) + " (" + err.Error() + ")")
		return fmt.Errorf("it cannot create a container on this host: %s", reason)
	}
	return nil
}

// checkState tells an OCI runtime from a program that ends well whatever it is asked.
func checkState(ctx context.Context, binary, root, id string) error {
	said, err := exec.CommandContext(ctx, binary, "--root", root, "state", id).Output()
	if err != nil {
		return err
	}
	var state specs.State
	if err := json.Unmarshal(said, &state); err != nil || state.ID != id {
		return errors.New("it does not tell the state of a container: is it an OCI runtime?")
	}
	return nil
}

// writeProbe makes the bundle of the smallest service. The runtime's own binary stands in for a program: it is never
// started, but must exist.
func writeProbe(bundle string) error {
	capabilities, err := HostCapabilities()
	if err != nil {
		return err
	}
	id := filepath.Base(bundle)
	probe := &spec.Service{Name: id, Container: spec.Container{Entrypoint: "/proc/self/exe"}}
	generated, err := Generate(probe, Host{Capabilities: capabilities, CgroupParent: "/"}, nil, nil)
	if err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(bundle, "rootfs"), 0o700); err != nil {
		return err
	}
	return writeBundle(bundle, generated)
}

func writeBundle(bundle string, generated *specs.Spec) error {
	config, err := json.Marshal(generated)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600)
}
