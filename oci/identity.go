package oci

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// RootfsIdentity tells one root file system from another at the same path: device, inode and time of last change of the
// directory <rootfsDir>/<name>, and of the entrypoint's file in it. A new text means that somebody replaced one of them;
// the same text does not prove that nothing else in there changed. Symbolic links of the entrypoint are followed as the
// container would, never out of the directory. An entrypoint that is not found there (it may come with a mount, or be
// looked for in PATH) leaves its half empty.
func RootfsIdentity(rootfsDir, name, entrypoint string) (string, error) {
	directory := filepath.Join(rootfsDir, name)

	identity, err := rootfsIdentity(directory, entrypoint)
	if err != nil {
		return "", fmt.Errorf("cannot identify the root file system %q: %w", directory, err)
	}

	return identity, nil
}

func rootfsIdentity(directory, entrypoint string) (string, error) {
	root, err := unix.Open(directory, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(root)

	whole, err := fileIdentity(root)
	if err != nil {
		return "", err
	}

	file, err := unix.Openat2(root, entrypoint, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})

	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENAMETOOLONG):
		return whole + "/", nil // the start itself says what is wrong with it
	case err != nil:
		return "", fmt.Errorf("entrypoint %q: %w", entrypoint, err)
	}
	defer unix.Close(file)

	program, err := fileIdentity(file)

	return whole + "/" + program, err
}

// fileIdentity is device, inode and modification time in nanoseconds, all hexadecimal.
func fileIdentity(file int) (string, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(file, &stat); err != nil {
		return "", err
	}

	return fmt.Sprintf("%x.%x.%x", stat.Dev, stat.Ino, stat.Mtim.Nano()), nil
}
