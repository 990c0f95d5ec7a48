// Package server is a containerd with only what extactor needs: containers, tasks and the services they rest on. It
// runs as a process of its own, so that containers and what is known of them outlive the daemon.
package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"

	containerd "github.com/containerd/containerd/v2/cmd/containerd/server"
	"github.com/containerd/containerd/v2/cmd/containerd/server/config"
	"github.com/containerd/containerd/v2/version"
	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	// The plugins that make a containerd which can run tasks, and no more.
	_ "github.com/containerd/containerd/v2/core/runtime/v2"
	_ "github.com/containerd/containerd/v2/plugins/content/local/plugin"
	_ "github.com/containerd/containerd/v2/plugins/events"
	_ "github.com/containerd/containerd/v2/plugins/gc"
	_ "github.com/containerd/containerd/v2/plugins/leases"
	_ "github.com/containerd/containerd/v2/plugins/metadata"
	_ "github.com/containerd/containerd/v2/plugins/mount"
	_ "github.com/containerd/containerd/v2/plugins/server/grpc"
	_ "github.com/containerd/containerd/v2/plugins/server/ttrpc"
	_ "github.com/containerd/containerd/v2/plugins/services/containers"
	_ "github.com/containerd/containerd/v2/plugins/services/content"
	_ "github.com/containerd/containerd/v2/plugins/services/events"
	_ "github.com/containerd/containerd/v2/plugins/services/healthcheck"
	_ "github.com/containerd/containerd/v2/plugins/services/introspection"
	_ "github.com/containerd/containerd/v2/plugins/services/leases"
	_ "github.com/containerd/containerd/v2/plugins/services/namespaces"
	_ "github.com/containerd/containerd/v2/plugins/services/sandbox"
	_ "github.com/containerd/containerd/v2/plugins/services/tasks"
	_ "github.com/containerd/containerd/v2/plugins/services/version"
	_ "github.com/containerd/containerd/v2/plugins/services/warning"
	_ "github.com/containerd/containerd/v2/plugins/snapshots/native/plugin"
)

// ReadyVariable names the environment variable that holds the number of an open file descriptor; one byte is written to
// it when the server answers.
const ReadyVariable = "EXTACTOR_READY_FD"

// Config says where the server keeps its files.
type Config struct {
	RunDir  string // absolute; holds root, state, sockets and log, below "containerd"
	Version string // of this program, for those who find the server running
}

// Address is the socket of the server of a run directory.
func Address(runDir string) string { return filepath.Join(runDir, "containerd", "containerd.sock") }

// LogPath is the log of the server of a run directory.
func LogPath(runDir string) string { return filepath.Join(runDir, "containerd", "containerd.log") }

// Run serves until the context ends or SIGTERM comes. It fails at once where another server holds the run directory.
func Run(ctx context.Context, c Config) error {
	ready := inheritReady()

	ctx, stop := signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT)
	defer stop()

	directory := filepath.Join(c.RunDir, "containerd")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return fmt.Errorf("cannot start containerd: %w", err)
	}

	lock, err := acquire(c)
	if err != nil {
		return fmt.Errorf("cannot start containerd: %w", err)
	}
	defer lock.Close()

	logs, err := openLog(LogPath(c.RunDir))
	if err != nil {
		return fmt.Errorf("cannot start containerd: %w", err)
	}
	defer logs.close()

	log.L.Logger.SetOutput(logs)

	if err := log.SetLevel("warn"); err != nil {
		return err
	}

	return serve(ctx, c, ready)
}

func serve(ctx context.Context, c Config, ready *os.File) error {
	settings := settings(c)
	if err := containerd.CreateTopLevelDirectories(settings); err != nil {
		return fmt.Errorf("cannot start containerd: %w", err)
	}

	server, err := containerd.New(ctx, settings)
	if err != nil {
		return fmt.Errorf("cannot start containerd: %w", err)
	}

	defer server.Stop()

	if err := server.Start(ctx); err != nil {
		return fmt.Errorf("cannot start containerd: %w", err)
	}

	defer removeSockets(socketDir(c.RunDir))

	server.Wait()

	if err := announce(ready); err != nil {
		return fmt.Errorf("cannot start containerd: %w", err)
	}

	<-ctx.Done()

	return nil
}

func settings(c Config) *config.Config {
	directory := filepath.Join(c.RunDir, "containerd")
	address := Address(c.RunDir)

	return &config.Config{
		Version:  version.ConfigVersion,
		Root:     filepath.Join(directory, "root"),
		State:    filepath.Join(directory, "state"),
		OOMScore: -999,
		Plugins: map[string]any{
			"io.containerd.server.v1.grpc":  map[string]any{"address": address},
			"io.containerd.server.v1.ttrpc": map[string]any{"address": address + ".ttrpc"},
			// The default directory would be shared with a containerd of the host.
			"io.containerd.shim.v1.manager": map[string]any{"socket_dir": socketDir(c.RunDir)},
		},
	}
}

// inheritReady takes over the descriptor on which the parent waits; nil where nobody does. Shims must not inherit it.
func inheritReady() *os.File {
	descriptor, err := strconv.Atoi(os.Getenv(ReadyVariable))
	if err != nil {
		return nil
	}

	_ = os.Unsetenv(ReadyVariable)

	unix.CloseOnExec(descriptor)

	return os.NewFile(uintptr(descriptor), "ready")
}

// socketDir is where the shims' sockets are. Their names are long, and the path of a socket is limited to 108 bytes.
func socketDir(runDir string) string {
	directory := filepath.Join(runDir, "containerd", "s")
	if len(directory) <= 38 {
		return directory
	}

	sum := sha256.Sum256([]byte(runDir))

	return fmt.Sprintf("/run/extactor-s-%x", sum[:8])
}

// announce tells the parent that the server answers; a parent that is gone does not matter.
func announce(ready *os.File) error {
	if ready == nil {
		return nil
	}
	defer ready.Close()

	if _, err := ready.Write([]byte{'1'}); err != nil && !errors.Is(err, unix.EPIPE) {
		return err
	}

	return nil
}
