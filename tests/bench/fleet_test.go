package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/server"
	"github.com/extactor/extactor/tests/bare"
)

const (
	fleetSize   = 50
	fleetRounds = 3 // at least
)

// BenchmarkFleet is the time from the moment at which the last condition of 50 services is met until all of them run,
// beside the time in which a plain client starts the same 50 containers on the same containerd. They take turns, so that
// both see the same machine.
func BenchmarkFleet(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("SKIPPED: needs root: starts containers")
	}

	f := newFleet(b)

	var supervised, plain []time.Duration

	round := func() {
		supervised = append(supervised, f.supervised())
		plain = append(plain, f.plain())
	}

	for b.Loop() {
		round()
	}

	for len(supervised) < fleetRounds {
		round()
	}

	slices.Sort(supervised)
	slices.Sort(plain)

	ours, bare := supervised[len(supervised)/2], plain[len(plain)/2]

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(ours.Milliseconds()), "extactor-ms")
	b.ReportMetric(float64(bare.Milliseconds()), "bare-ms")
	b.ReportMetric(float64(ours)/float64(bare), "ratio")
}

// fleet is a daemon with services that all wait for one file.
type fleet struct {
	b        *testing.B
	dir      string
	cgroup   string // parent of those of the plain client
	extactor string
	gate     string
	specs    []*specs.Spec
	client   *api.Client
	rounds   int
}

func newFleet(b *testing.B) *fleet {
	b.Helper()

	dir, err := os.MkdirTemp("/tmp", "exb") // short, because sockets lie in it
	noError(b, err)

	f := &fleet{b: b, dir: dir, cgroup: "/" + filepath.Base(dir), extactor: filepath.Join(dir, "bin", "extactor"), gate: filepath.Join(dir, "gate")}
	b.Cleanup(func() { noError(b, errors.Join(cgroup.Remove(f.cgroup), os.RemoveAll(dir))) })
	f.build("bin/", "../../cmd/...")
	f.build("program", "../../examples/hello-world")
	noError(b, errors.Join(os.Mkdir(f.path("s"), 0o755), os.Mkdir(f.path("r"), 0o755)))

	for index := range fleetSize {
		f.addService(fmt.Sprintf("member%d", index))
	}

	f.start()

	return f
}

func (f *fleet) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fleet) build(output, source string) {
	f.b.Helper()

	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", f.dir+"/"+output, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")

	if said, err := build.CombinedOutput(); err != nil {
		f.b.Fatalf("cannot build %s: %v\n%s", source, err, said)
	}
}

// addService writes a service's file and root file system, and keeps the OCI spec that it gets, for the plain client.
func (f *fleet) addService(name string) {
	f.b.Helper()

	file := filepath.Join(f.path("s"), name+".yaml")
	rootfs := filepath.Join(f.path("r"), name)
	text := fmt.Sprintf("name: %s\ncontainer: {entrypoint: ./program}\ndepends: [{path: %s}]\nrestart: always\n", name, f.gate)
	noError(f.b, errors.Join(
		os.WriteFile(file, []byte(text), 0o644), os.Mkdir(rootfs, 0o755),
		os.Link(f.path("program"), filepath.Join(rootfs, "program")),
	))

	encoded, err := exec.Command(f.extactor, "oci", file, "--rootfs", f.path("r")).Output()
	noError(f.b, err)

	spec := new(specs.Spec)
	noError(f.b, json.Unmarshal(encoded, spec))
	spec.Linux.CgroupsPath = f.cgroup + "/" + name
	f.specs = append(f.specs, spec)
}

// start starts the daemon and waits until all services wait for the gate only.
func (f *fleet) start() {
	f.b.Helper()

	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: f.path("notify"), Net: "unixgram"})
	noError(f.b, err)
	defer notify.Close()

	log, err := os.Create(f.path("log"))
	noError(f.b, err)
	defer log.Close()

	command := exec.Command(f.extactor, "daemon", "--services", f.path("s"), "--rootfs", f.path("r"), "--config", f.path("c"),
		"--state", f.path("state"), "--run", f.path("run"), "--containerd", "embedded", "--console", "off")
	command.Stderr = log
	command.Env = append(os.Environ(), "NOTIFY_SOCKET="+f.path("notify"))
	noError(f.b, command.Start())

	f.b.Cleanup(func() {
		noError(f.b, command.Process.Signal(unix.SIGTERM))

		if err := command.Wait(); err != nil {
			said, _ := os.ReadFile(f.path("log"))
			f.b.Errorf("the daemon: %v\n%s", err, said)
		}
	})

	ready := make([]byte, 64)
	count, err := notify.Read(ready)
	noError(f.b, err)

	if string(ready[:count]) != "READY=1" {
		f.b.Fatalf("the daemon says %q", ready[:count])
	}

	f.client, err = api.Dial(filepath.Join(f.path("run"), api.SocketName))
	noError(f.b, err)
	f.b.Cleanup(func() { f.client.Close() })
	f.await("wait for the gate only", func(service *apiv1.Service) bool { return len(service.GetWaitingFor()) == 1 })
}

// await returns once every service of the fleet is so.
func (f *fleet) await(what string, so func(*apiv1.Service) bool) {
	f.b.Helper()

	ctx, cancel := context.WithTimeout(f.b.Context(), time.Minute)
	defer cancel()

	stream, err := f.client.Extactor.WatchStatus(ctx, &apiv1.StatusRequest{})
	noError(f.b, err)

	for done := map[string]bool{}; len(done) < fleetSize; {
		changed, err := stream.Recv()
		if err != nil {
			f.b.Fatalf("%d services of %d %s: %v", len(done), fleetSize, what, err)
		}

		for _, service := range changed.GetServices() {
			if delete(done, service.GetId()); service.GetId() != "containerd" && so(service) {
				done[service.GetId()] = true
			}
		}
	}
}

// supervised opens the gate and measures until all run; then it brings the services back to where they were.
func (f *fleet) supervised() time.Duration {
	f.b.Helper()

	begin := time.Now()

	noError(f.b, os.WriteFile(f.gate, nil, 0o644))
	f.await("run", func(service *apiv1.Service) bool { return service.GetState() == events.StateRunning })

	elapsed := time.Since(begin)

	noError(f.b, os.Remove(f.gate))
	f.all(func(id string) error {
		_, err := f.client.Extactor.Stop(f.b.Context(), &apiv1.ServiceRequest{Id: id, Wait: true})

		return err
	})
	f.all(func(id string) error {
		_, err := f.client.Extactor.Start(f.b.Context(), &apiv1.ServiceRequest{Id: id})

		return err
	})
	f.await("wait for the gate again", func(service *apiv1.Service) bool {
		return service.GetState() == events.StateWaiting && len(service.GetWaitingFor()) == 1
	})

	return elapsed
}

func (f *fleet) all(call func(id string) error) {
	f.b.Helper()

	outcomes := make(chan error, fleetSize)
	for index := range fleetSize {
		go func() { outcomes <- call(fmt.Sprintf("ext-member%d", index)) }()
	}

	for range fleetSize {
		noError(f.b, <-outcomes)
	}
}

// plain has the plain client start the same containers.
func (f *fleet) plain() time.Duration {
	f.b.Helper()

	f.rounds++
	elapsed, remove, err := bare.Start(f.b.Context(), bare.Options{
		Address:    server.Address(f.path("run")),
		Namespace:  "bare",
		Shim:       filepath.Join(f.dir, "bin", oci.ShimName),
		OCIRuntime: "runc",
		Directory:  f.path(fmt.Sprintf("bare%d", f.rounds)),
		Container: func(index int) (*specs.Spec, string, error) {
			return f.specs[index], filepath.Join(f.path("r"), fmt.Sprintf("member%d", index)), nil
		},
	}, fleetSize)

	noError(f.b, errors.Join(err, remove()))

	return elapsed
}

func noError(b *testing.B, err error) {
	b.Helper()

	if err != nil {
		b.Fatal(err)
	}
}
