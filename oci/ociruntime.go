package oci

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// SelectOCIRuntime returns the path of the OCI runtime that is to make the containers. The choice is "auto" (crun where
// it is installed and works on this host, because it is faster; else runc), "runc", "crun", or a path. crun is tried
// on a container first, as a trial: some of its versions refuse some hosts' cgroups.
func SelectOCIRuntime(ctx context.Context, choice string, trial Trial) (binary string, err error) {
	switch choice {
	case "", "auto":
		crun, err := selectCrun(ctx, trial)
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
		return selectCrun(ctx, trial)
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
func CheckOCIRuntime(ctx context.Context, choice string, trial Trial) (binary string, err error) {
	binary, err = SelectOCIRuntime(ctx, choice, trial)
	if err == nil && filepath.IsAbs(choice) {
		err = trial.of(ctx, binary)
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

func selectCrun(ctx context.Context, trial Trial) (string, error) {
	crun, err := exec.LookPath("crun")
	if err != nil {
		return "", fmt.Errorf(`cannot use OCI runtime "crun": it is not installed (try: apt-get install crun): %w`, err)
	}
	if err := trial.of(ctx, crun); err != nil {
		return "", fmt.Errorf(`cannot use OCI runtime "crun": %w`, err)
	}
	return crun, nil
}
