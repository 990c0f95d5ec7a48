package daemon

import (
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
// directory, else makes a new one. It is kept in both; a state directory that is not there yet is left alone.
func loadInstance(runDir, stateDir string) (instance, error) {
	var found instance

	for _, dir := range []string{runDir, stateDir} {
		id, err := os.ReadFile(filepath.Join(dir, "instance"))
		key, keyErr := os.ReadFile(filepath.Join(dir, "key"))

		parsed, parseErr := uuid.ParseBytes([]byte(strings.TrimSpace(string(id))))
		if err == nil && keyErr == nil && parseErr == nil && len(key) == sha256.Size {
			found = instance{id: parsed.String(), key: key}

			break
		}
	}

	if found.id == "" {
		found = instance{id: uuid.NewString(), key: make([]byte, sha256.Size)}
		if _, err := rand.Read(found.key); err != nil {
			return instance{}, fmt.Errorf("cannot make an instance key: %w", err)
		}
	}

	if err := found.store(runDir); err != nil {
		return instance{}, fmt.Errorf("cannot store the instance in %q: %w", runDir, err)
	}

	return found, nil
}

// store writes the identity where it is not there yet. The key is written first: an identity without it is void.
func (i instance) store(dir string) error {
	if err := writeNew(filepath.Join(dir, "key"), i.key); err != nil {
		return err
	}

	return writeNew(filepath.Join(dir, "instance"), []byte(i.id+"\n"))
}

// writeNew replaces the file atomically unless it has that content already.
func writeNew(path string, content []byte) error {
	if present, err := os.ReadFile(path); err == nil && string(present) == string(content) {
		return nil
	}

	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}

	return os.Rename(temporary, path)
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
