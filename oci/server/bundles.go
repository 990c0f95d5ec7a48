package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// taskPlugin names the directories in which containerd keeps what belongs to one task.
const taskPlugin = "io.containerd.runtime.v2.task"

// RemoveBundles removes what a server that was killed left of a task that is gone: the bundle, the directory that it
// works in, and either of them under the hidden name that it has while it is deleted.
func RemoveBundles(runDir, namespace, id string) error {
	var problems []error

	for _, directory := range bundles(runDir, namespace, id) {
		err := unix.Unmount(filepath.Join(directory, "rootfs"), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			problems = append(problems, fmt.Errorf("cannot unmount its root file system: %w", err))

			continue
		}

		problems = append(problems, os.RemoveAll(directory))
	}

	return errors.Join(problems...)
}

// HasBundles tells whether anything is there that RemoveBundles removes.
func HasBundles(runDir, namespace, id string) bool {
	return slices.ContainsFunc(bundles(runDir, namespace, id), func(directory string) bool {
		_, err := os.Lstat(directory)

		return err == nil
	})
}

func bundles(runDir, namespace, id string) []string {
	var directories []string

	for _, parent := range []string{"state", "root"} {
		for _, name := range []string{id, "." + id} {
			directories = append(directories, filepath.Join(runDir, "containerd", parent, taskPlugin, namespace, name))
		}
	}

	return directories
}
