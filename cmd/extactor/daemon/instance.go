package daemon

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// DefaultRunDir is where an instance lives unless it is told otherwise.
const DefaultRunDir = "/run/extactor"

// instance is what tells this installation from others on the same host, and what it keeps secret.
type instance struct {
	id  string // UUID; label of every container
	key []byte // of the hashes of values that must not enter the journal
}

// loadInstance reads the identity from the run directory, where this boot's containers are, else from the state
// directory, else makes a new one. The run directory keeps it for this boot.
func loadInstance(runDir, stateDir string) (instance, error) {
	found, ok := readInstance(runDir)
	if !ok && stateDir != "" {
		found, ok = readInstance(stateDir)
	}

	if !ok {
		found = instance{id: uuid.NewString(), key: make([]byte, sha256.Size)}
		if _, err := rand.Read(found.key); err != nil {
			return instance{}, fmt.Errorf("cannot make an instance key: %w", err)
		}
	}

	if _, err := found.store(runDir); err != nil {
		return instance{}, fmt.Errorf("cannot store the instance in %q: %w", runDir, err)
	}

	return found, nil
}

// readInstance returns the identity that a directory has; half of one is none.
func readInstance(dir string) (instance, bool) {
	id, err := os.ReadFile(filepath.Join(dir, "instance"))
	key, keyErr := os.ReadFile(filepath.Join(dir, "key"))
	parsed, parseErr := uuid.ParseBytes([]byte(strings.TrimSpace(string(id))))

	if err != nil || keyErr != nil || parseErr != nil || len(key) != sha256.Size {
		return instance{}, false
	}

	return instance{id: parsed.String(), key: key}, true
}

// store writes the identity where there is none yet, and tells whether the directory has this one. Another one is never
// replaced: a state directory that appears late has that of all earlier boots, and of the next one; only this boot goes on
// with what it began with. The key is written first: an identity without it is void.
func (i instance) store(dir string) (bool, error) {
	if present, ok := readInstance(dir); ok {
		return present.id == i.id && bytes.Equal(present.key, i.key), nil
	}

	if err := writeNew(filepath.Join(dir, "key"), i.key); err != nil {
		return false, err
	}

	return true, writeNew(filepath.Join(dir, "instance"), []byte(i.id+"\n"))
}

// writeNew replaces the file atomically, also for a power cut, unless it has that content already. A containerd of the host
// may remember containers beyond a boot, which belong to nobody once the identity is lost.
func writeNew(path string, content []byte) error {
	if present, err := os.ReadFile(path); err == nil && string(present) == string(content) {
		return nil
	}

	temporary := path + ".new"

	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}

	_, err = file.Write(content)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}

	if err := os.Rename(temporary, path); err != nil {
		return err
	}

	return syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	defer directory.Close()

	return directory.Sync()
}

// namespace names the containerd namespace and the parent cgroup of the instance in a run directory.
func namespace(runDir string) string {
	if runDir == DefaultRunDir {
		return "extactor"
	}

	sum := sha256.Sum256([]byte(runDir))

	return "extactor-" + hex.EncodeToString(sum[:4])
}

func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("cannot read the kernel's boot id: /proc is not mounted")
	}

	return strings.TrimSpace(string(id)), err
}
