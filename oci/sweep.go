package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containerd/errdefs"

	"github.com/extactor/extactor/service"
)

// swept says whether what earlier daemons left was removed. The zero value is ready.
type swept struct {
	mu   sync.Mutex
	done bool
}

// sweepOnce removes what earlier daemons left, the first time that containerd can be asked about all of it. It tells
// whether that has been done.
func (r *Runtime) sweepOnce(ctx context.Context) bool {
	r.swept.mu.Lock()
	defer r.swept.mu.Unlock()

	if r.swept.done {
		return true
	}

	files, containers := r.sweepUnowned(ctx), r.endEarlier(ctx)
	if ctx.Err() != nil || errdefs.IsUnavailable(files) || errdefs.IsUnavailable(containers) {
		return false
	}

	if files != nil {
		r.config.Logger.Warn().Err(files).Msg("files are left behind")
	}

	if containers != nil {
		r.config.Logger.Warn().Err(containers).Msg("containers are left behind")
	}

	r.swept.done = true

	return true
}

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

	problems = append(problems, r.sweepFIFOs(ctx, owned))

	if err := few(problems); err != nil {
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

// sweepFIFOs removes those of services that were prepared and never had a container.
func (r *Runtime) sweepFIFOs(ctx context.Context, owned map[string]bool) error {
	fifos, err := os.ReadDir(r.logs.FIFOs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}

	for _, fifo := range fifos {
		if !owned[fifo.Name()] {
			r.letGo(ctx, fifo.Name())
		}
	}

	return nil
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
