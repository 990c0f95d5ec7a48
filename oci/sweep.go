package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/extactor/extactor/service"
)

// sweepUnowned removes what is left in the run directory of ids that have no container: of a daemon that died in the
// middle of a Delete, and of services that are gone. It must not be called once anything may be prepared.
func (r *Runtime) sweepUnowned(ctx context.Context) error {
	ctx = r.namespaced(ctx)

	containers, err := r.client.ContainerService().List(ctx)
	if err != nil {
		return fmt.Errorf("cannot look for what is left of earlier containers: %w", err)
	}

	owned := make(map[string]bool, len(containers))
	for _, container := range containers {
		owned[container.ID] = true
	}

	ids, err := r.idsWithFiles()
	problems := []error{err}

	for id := range ids {
		if !owned[id] {
			problems = append(problems, r.sweepAll(ctx, id))
		}
	}

	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("cannot remove what is left of earlier containers: %w", err)
	}

	return nil
}

func (r *Runtime) sweepAll(ctx context.Context, id string) error {
	_, leave, err := r.calls.enter(ctx, service.Task{ID: id}, patient)
	if err != nil {
		return err
	}
	defer leave()

	every := func(uint64) bool { return true }

	return errors.Join(r.removeStrays(ctx, id), r.sweep(id, every), os.RemoveAll(execDir(r.config.RunDir, id)))
}

// idsWithFiles are the ids that something in the run directory is named after: "ext-a.3", "ext-a.3.json", "ext-a.json". An
// id has no dot.
func (r *Runtime) idsWithFiles() (map[string]bool, error) {
	ids := make(map[string]bool)

	var problems []error

	for _, kind := range []string{"rootfs", "config", "exits", "tasks"} {
		entries, err := os.ReadDir(filepath.Join(r.config.RunDir, kind))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}

		for _, entry := range entries {
			if id, _, ours := strings.Cut(entry.Name(), "."); ours && id != "" {
				ids[id] = true
			}
		}
	}

	return ids, errors.Join(problems...)
}
