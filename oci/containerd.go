package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/oci/server"
)

// HostAddress is where a containerd of the host listens.
const HostAddress = "/run/containerd/containerd.sock"

// What Config.Address may say besides the path of a socket.
const (
	Auto     = "auto"     // the host's containerd where one answers, else Embedded
	Embedded = "embedded" // our own containerd, as a child process that outlives this one
)

// Config says which containerd runs the containers, and for whom.
type Config struct {
	RunDir       string   // absolute; everything that must not outlive a boot
	RootfsDir    string   // root file systems of the services: <RootfsDir>/<name>
	Address      string   // Auto (also empty), Embedded, or the path of a containerd's socket
	Namespace    string   // containerd namespace; "extactor" where empty
	CgroupParent string   // parent of the services' cgroups; "/" and Namespace where empty
	Instance     string   // UUID of the state directory; containers of another are never touched
	Version      string   // of extactor, kept as a label
	OCIRuntime   string   // see SelectOCIRuntime
	ShimPath     string   // where empty: ShimName beside this executable
	Server       []string // command of the embedded containerd; where empty: this executable, "containerd", "--run", RunDir
	Logger       zerolog.Logger
}

// ShimName is the file name of our shim.
const ShimName = "containerd-shim-extactor-v2"

// Runtime runs containers by containerd. All methods may be called at the same time; calls for one id wait for each
// other.
type Runtime struct {
	config Config
	client *client.Client
	conn   *grpc.ClientConn
	hangs  *hangs
	dials  *dials
	pause  *pause
	child  *child // the embedded containerd; nil where the host's is used
	calls  calls
	starts starts
	looks  looks
	logs   logs.Dir
	asked  asked
	known  known
	swept  swept
	absent atomic.Bool // containerd was waited for long enough: see awaitReturn

	claims sync.Mutex // held while a record of a process is written

	mu         sync.Mutex
	holds      map[string]held // log FIFOs, by id
	ociRuntime string          // chosen at the first start
}

// New connects to containerd and, where that is the embedded one, starts it. It does not wait for either: Link tells.
func New(config Config) (*Runtime, error) {
	config, err := complete(config)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to containerd: %w", err)
	}

	hangs, dials, pause := newHangs(hangInterval, versionTimeout), new(dials), new(pause)

	conn, err := connect(config.Address, hangs, dials, pause)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to containerd: %w", err)
	}

	connected, err := client.NewWithConn(conn)
	if err != nil {
		conn.Close()

		return nil, fmt.Errorf("cannot connect to containerd: %w", err)
	}

	r := &Runtime{
		config: config,
		client: connected,
		conn:   conn,
		hangs:  hangs,
		dials:  dials,
		pause:  pause,
		starts: newStarts(),
		logs:   logs.In(config.RunDir),
		holds:  make(map[string]held),
	}

	if config.Address == server.Address(config.RunDir) {
		r.child = startChild(config, conn)
	}

	return r, nil
}

// Address returns the socket of containerd, and whether that is the embedded one.
func (r *Runtime) Address() (socket string, embedded bool) { return r.config.Address, r.child != nil }

// Close disconnects. Containers and the embedded containerd go on without this process.
func (r *Runtime) Close() error {
	if r.child != nil {
		r.child.abandon()
	}

	r.mu.Lock()
	for _, held := range r.holds {
		_ = held.Close()
	}

	clear(r.holds)
	r.mu.Unlock()

	return r.client.Close()
}

// Shutdown disconnects and ends the embedded containerd, by SIGKILL once the context ends, with all that could not be
// deleted before because that containerd was away. A containerd of the host, and what runs there, is left alone.
func (r *Runtime) Shutdown(ctx context.Context) error {
	var err error

	if r.child != nil {
		err = errors.Join(r.child.stop(ctx), r.removeRemains(ctx))
		_ = os.Remove(r.choicePath())
	}

	r.removeCgroups()

	return errors.Join(err, r.Close())
}

// removeCgroups removes the parent of the services' cgroups once nothing runs below it.
func (r *Runtime) removeCgroups() {
	if err := cgroup.Remove(r.config.CgroupParent); err != nil {
		r.config.Logger.Warn().Err(err).Msg("cgroups are left")
	}
}

func (r *Runtime) choicePath() string { return choicePath(r.config.RunDir) }

// complete fills in what the configuration leaves open.
func complete(config Config) (Config, error) {
	if !filepath.IsAbs(config.RunDir) {
		return config, fmt.Errorf("the run directory %q is not an absolute path", config.RunDir)
	}

	if config.Namespace == "" {
		config.Namespace = "extactor"
	}

	if config.CgroupParent == "" {
		config.CgroupParent = "/" + config.Namespace
	}

	address, err := choose(config)
	if err != nil {
		return config, err
	}

	config.Address = address

	if address != server.Address(config.RunDir) {
		return config, nil
	}

	// A socket's path is limited by the kernel; ".ttrpc" is added to it.
	if len(address) > 100 {
		return config, fmt.Errorf("the run directory %q is too long for a socket in it", config.RunDir)
	}

	executable, err := os.Executable()
	if err != nil {
		return config, err
	}

	if config.ShimPath == "" {
		config.ShimPath = filepath.Join(filepath.Dir(executable), ShimName)
	}

	if _, err := os.Stat(config.ShimPath); err != nil {
		return config, fmt.Errorf("the shim is missing, it belongs beside the executable: %w", err)
	}

	if len(config.Server) == 0 {
		config.Server = []string{executable, "containerd", "--run", config.RunDir}
	}

	return config, nil
}

// choose returns the socket to use. A choice made by Auto is kept for as long as the run directory is: the containers
// are where they were started, even if the other containerd happens to answer today.
func choose(config Config) (string, error) {
	embedded := server.Address(config.RunDir)

	switch config.Address {
	case Embedded:
		return embedded, nil
	case Auto, "":
	default:
		return strings.TrimPrefix(config.Address, "unix://"), nil
	}

	chosen, err := os.ReadFile(choicePath(config.RunDir))
	if err == nil && len(chosen) > 0 {
		return string(chosen), nil
	}

	address := embedded

	if probe, err := net.Dial("unix", HostAddress); err == nil {
		probe.Close()

		address = HostAddress
	}

	if err := os.MkdirAll(config.RunDir, 0o700); err != nil {
		return "", err
	}

	return address, os.WriteFile(choicePath(config.RunDir), []byte(address), 0o600)
}

func choicePath(runDir string) string { return filepath.Join(runDir, "containerd-address") }

// namespaced adds the containerd namespace to the context.
func (r *Runtime) namespaced(ctx context.Context) context.Context {
	return namespaces.WithNamespace(ctx, r.config.Namespace)
}

// Connected tells whether containerd can be asked at this moment.
func (r *Runtime) Connected() bool { return r.conn.GetState() == connectivity.Ready }
