package faults_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// patience is how long anything may take that must come. It only limits how long a failure takes.
const patience = 2 * time.Minute

// glance is the pause between two looks at something that cannot be waited for.
const glance = 10 * time.Millisecond

// host is a set of scratch directories with a supervised daemon on them.
type host struct {
	t                                               testing.TB
	dir, services, rootfs, config, state, run, mark string
	supervisor                                      *supervisor
}

func newHost(t testing.TB) *host {
	t.Helper()

	// Short, because the paths of sockets lie in it.
	dir, err := os.MkdirTemp("/tmp", "ex")
	must(t, err)

	h := &host{
		t: t, dir: dir, services: filepath.Join(dir, "s"), rootfs: filepath.Join(dir, "r"), config: filepath.Join(dir, "c"),
		state: filepath.Join(dir, "state"), run: filepath.Join(dir, "run"), mark: filepath.Join(dir, "mark"),
	}

	for _, directory := range []string{h.services, h.rootfs, h.config, h.mark} {
		must(t, os.Mkdir(directory, 0o755))
	}

	t.Cleanup(h.sweep)

	return h
}

// service writes a service file, the root file system, and the directory in which the service leaves its marks.
func (h *host) service(name, rest, arguments string) string {
	h.t.Helper()

	id := "ext-" + name
	must(h.t, os.Mkdir(filepath.Join(h.mark, id), 0o755))
	must(h.t, os.MkdirAll(filepath.Join(h.rootfs, name, "marks"), 0o755))
	must(h.t, os.Link(servicePath, filepath.Join(h.rootfs, name, "service")))
	must(h.t, os.WriteFile(filepath.Join(h.services, name+".yaml"), fmt.Appendf(nil, `name: %s
container:
  entrypoint: ./service
  args: [%s]
  mounts: [{source: %s, destination: /marks, type: bind, options: [bind, rw]}]
%s
`, name, arguments, filepath.Join(h.mark, id), rest), 0o644))

	return id
}

func (h *host) socket() string { return filepath.Join(h.run, api.SocketName) }

// cgroup is the parent of this host's control groups.
func (h *host) cgroup() string {
	sum := sha256.Sum256([]byte(h.run))

	return "/extactor-" + hex.EncodeToString(sum[:4])
}

// ask makes one connection for one question.
func (h *host) ask(ctx context.Context, question func(context.Context, *api.Client) error) error {
	client, err := api.Dial(h.socket())
	if err != nil {
		return err
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(ctx, patience/4)
	defer cancel()

	return question(ctx, client)
}

// answers tells whether the daemon answers.
func (h *host) answers(ctx context.Context) bool {
	return h.ask(ctx, func(ctx context.Context, client *api.Client) error {
		_, err := client.Extactor.Status(ctx, &apiv1.StatusRequest{})

		return err
	}) == nil
}

// process is a living process that belongs to this host.
type process struct {
	pid     int
	command []string
}

// processes lists those whose command line or working directory leads to our directories. Shims are found by the latter.
func (h *host) processes() []process {
	var found []process

	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(entry, "cmdline"))
		if err != nil || len(content) == 0 {
			continue
		}

		directory, _ := os.Readlink(filepath.Join(entry, "cwd"))
		if !bytes.Contains(content, []byte(h.dir+"/")) && !within(directory, h.dir) {
			continue
		}

		pid, _ := strconv.Atoi(filepath.Base(entry))
		command := bytes.Split(bytes.TrimRight(content, "\x00"), []byte{0})
		words := make([]string, len(command))

		for index, word := range command {
			words[index] = string(word)
		}

		found = append(found, process{pid: pid, command: words})
	}

	return found
}

func within(path, directory string) bool {
	return path == directory || len(path) > len(directory) && path[:len(directory)+1] == directory+"/"
}

func must(t testing.TB, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// until returns once the condition holds, or the context ends.
func until(ctx context.Context, condition func() bool) error {
	again := time.NewTicker(glance)
	defer again.Stop()

	for !condition() {
		select {
		case <-again.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}

	return nil
}
