package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/containers"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// UpdateConfig gives a running task the new contents of its configuration files, which it sees at once, half of a file
// included while it is written: tell it by a signal after that. It writes all of them or, where the set of mounted paths
// has changed, none: the error is then service.ErrRestartNeeded. The environment of a running task cannot be changed, so
// config.Environment is not looked at. A task that is gone is no error.
func (r *Runtime) UpdateConfig(ctx context.Context, task service.Task, config *spec.Config) error {
	ctx, leave, err := r.calls.enter(r.namespaced(ctx), task, patient)
	if err != nil {
		return fmt.Errorf("cannot update the configuration of %q: %w", task.ID, err)
	}
	defer leave()

	container, err := r.findTask(ctx, task)
	if err == nil && container != nil {
		err = r.updateConfig(*container, config)
	}

	if err != nil {
		return fmt.Errorf("cannot update the configuration of %q: %w", task.ID, err)
	}

	return nil
}

func (r *Runtime) updateConfig(container containers.Container, config *spec.Config) error {
	generated, err := specOfContainer(container)
	if err != nil {
		return err
	}

	directory := ConfigDir(r.config.RunDir, container.ID, number(container, labelAttempt))
	mounted := make(map[string]bool)

	for _, mount := range generated.Mounts {
		if strings.HasPrefix(mount.Source, directory+"/") {
			mounted[mount.Destination] = true
		}
	}

	files := configFiles(config)
	for _, file := range files {
		if !mounted[file.MountPath] {
			return fmt.Errorf("%q is not mounted in the running container: %w", file.MountPath, service.ErrRestartNeeded)
		}
	}

	if len(files) != len(mounted) {
		return fmt.Errorf("a file that is mounted in the running container is no longer wanted: %w", service.ErrRestartNeeded)
	}

	for _, file := range files {
		if err := rewrite(directory, configPath(directory, file.MountPath), []byte(file.Content)); err != nil {
			return fmt.Errorf("file for %q: %w", file.MountPath, err)
		}
	}

	return nil
}

// rewrite replaces the content of a file that is mounted: a bind mount follows the inode, so a rename would not do.
func rewrite(directory, path string, content []byte) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}

	if bytes.Equal(before, content) {
		return nil
	}

	old := filepath.Join(directory, superseded)
	if err := os.MkdirAll(old, configDirMode); err != nil {
		return err
	}

	// The name is of the content, so that a file which changes back and forth takes no more room each time.
	if err := os.WriteFile(configPath(old, string(before)), before, 0o600); err != nil {
		return err
	}

	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()

	// Where the disk is full this must fail before the old content is touched.
	err = unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, max(1, int64(len(content))))
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("no room: %w", err)
	}

	if _, err := file.WriteAt(content, 0); err != nil {
		return err
	}

	return errors.Join(file.Truncate(int64(len(content))), file.Close())
}
