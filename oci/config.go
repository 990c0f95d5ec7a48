package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/spec"
)

const (
	// Only root can pass the directory. In the container, where nothing but the mounted file is seen, every user can
	// read it: many services give up being root before they read their configuration.
	configDirMode  = 0o700
	configFileMode = 0o644
	// superseded keeps what UpdateConfig has replaced, because the service's last lines may still quote it.
	superseded = "superseded"
)

// ConfigDir is the directory of one attempt's configuration files: <run>/config/<id>.<attempt>.
func ConfigDir(runDir, id string, attempt uint64) string {
	return filepath.Join(runDir, "config", id+"."+strconv.FormatUint(attempt, 10))
}

// configPath names the file for a mount path. A hash, because no two paths may meet in one name, and a name may not be as
// long as a path.
func configPath(directory, mountPath string) string {
	hash := sha256.Sum256([]byte(mountPath))

	return filepath.Join(directory, hex.EncodeToString(hash[:]))
}

// configFiles lists the files with their paths cleaned; of several for the same path the last one counts.
func configFiles(config *spec.Config) []spec.ConfigFile {
	if config == nil {
		return nil
	}

	var files []spec.ConfigFile

	index := make(map[string]int)

	for _, file := range config.Files {
		file.MountPath = filepath.Join("/", file.MountPath)

		if known, ok := index[file.MountPath]; ok {
			files[known] = file
		} else {
			index[file.MountPath] = len(files)
			files = append(files, file)
		}
	}

	return files
}

// configMounts mounts each file read-only at its path.
func configMounts(directory string, config *spec.Config) []specs.Mount {
	var mounts []specs.Mount

	for _, file := range configFiles(config) {
		mounts = append(mounts, specs.Mount{
			Destination: file.MountPath, Type: "bind", Source: configPath(directory, file.MountPath), Options: []string{"bind", "ro"},
		})
	}

	return mounts
}

// writeConfig makes the directory anew with the files of the configuration; none where there are no files.
func writeConfig(directory string, config *spec.Config) error {
	if err := os.RemoveAll(directory); err != nil {
		return fmt.Errorf("cannot remove earlier configuration files: %w", err)
	}

	files := configFiles(config)
	if len(files) == 0 {
		return nil
	}

	// MkdirAll leaves a parent as it is: nobody but root may pass that one either.
	if err := os.MkdirAll(directory, configDirMode); err != nil {
		return fmt.Errorf("cannot write configuration files: %w", err)
	}

	for _, file := range files {
		path := configPath(directory, file.MountPath)

		err := os.WriteFile(path, []byte(file.Content), configFileMode) // #nosec G306 -- see configDirMode
		if err == nil {
			err = os.Chmod(path, configFileMode) // #nosec G302 -- whatever the umask is; see configDirMode
		}

		if err != nil {
			return fmt.Errorf("cannot write the configuration file for %q: %w", file.MountPath, err)
		}
	}

	return nil
}

func removeConfig(runDir, id string, attempt uint64) error {
	if err := os.RemoveAll(ConfigDir(runDir, id, attempt)); err != nil {
		return fmt.Errorf("cannot remove the configuration files of %q: %w", id, err)
	}

	return nil
}

// checkConfigMounts finds a configuration file that is to be mounted where the container has a directory.
func checkConfigMounts(program *spec.Service, host Host, config *spec.Config) error {
	for _, file := range configFiles(config) {
		mount := spec.Mount{Source: configPath(host.ConfigDir, file.MountPath), Destination: file.MountPath}
		if err := checkMountKind(host.Rootfs(program.Name), program.Container.Mounts, mount); err != nil {
			return fmt.Errorf("configuration file for %q: %w", file.MountPath, err)
		}
	}

	return nil
}

// configContents returns the content of every configuration file that the attempt was ever given.
func configContents(directory string) ([]string, error) {
	var contents []string

	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}

		content, err := os.ReadFile(path) // #nosec G122 -- nobody but root can change this directory
		contents = append(contents, string(content))

		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}

	return contents, err
}
