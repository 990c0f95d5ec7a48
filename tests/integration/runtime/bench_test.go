package runtime_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/server"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
	"github.com/extactor/extactor/tests/bare"
)

// BenchmarkFleet starts 50 containers by the runtime and by a bare client, in turn on the same containerd, so that both
// see the same machine. It reports the time of each, in milliseconds.
func BenchmarkFleet(b *testing.B) {
	h := newHarness(b, oci.Embedded)
	programs := h.fleet(50)

	var supervised, plain time.Duration

	for b.Loop() {
		begin := time.Now()
		h.startFleet(programs)

		supervised += time.Since(begin)
		must(b, h.deleteAll(b.Context()))

		elapsed, remove := h.startBare(programs)
		plain += elapsed
		must(b, remove())
	}

	b.ReportMetric(float64(supervised.Milliseconds())/float64(b.N), "runtime-ms")
	b.ReportMetric(float64(plain.Milliseconds())/float64(b.N), "bare-ms")
	b.ReportMetric(float64(supervised)/float64(plain), "ratio")
}

func (h *harness) fleet(size int) []*spec.Service {
	programs := make([]*spec.Service, size)
	for index := range programs {
		programs[index] = h.Service(fmt.Sprintf("member%d", index), "serve")
	}

	return programs
}

func (h *harness) startFleet(programs []*spec.Service) {
	h.t.Helper()

	var group sync.WaitGroup

	for _, program := range programs {
		group.Go(func() {
			request := service.StartRequest{ID: program.ID(), Attempt: 1, Spec: program}
			if err := h.runtime.Prepare(h.t.Context(), request); err != nil {
				h.t.Error(err)
			} else if _, err := h.runtime.Start(h.t.Context(), request); err != nil {
				h.t.Error(err)
			}
		})
	}

	group.Wait()
}

func (h *harness) startBare(programs []*spec.Service) (elapsed time.Duration, remove func() error) {
	h.t.Helper()

	host, err := oci.ThisHost(h.config.RootfsDir, "/"+h.config.Namespace)
	must(h.t, err)

	elapsed, remove, err = bare.Start(h.t.Context(), bare.Options{
		Address:    server.Address(h.config.RunDir),
		Namespace:  h.config.Namespace,
		Shim:       shimPath,
		OCIRuntime: "runc",
		Directory:  filepath.Join(h.config.RunDir, "bare"),
		Container: func(index int) (*specs.Spec, string, error) {
			generated, err := oci.Generate(programs[index], host, nil, nil)

			return generated, host.Rootfs(programs[index].Name), err
		},
	}, len(programs))
	must(h.t, err)

	return elapsed, remove
}

// TestBareClientStartsTheSame makes sure that the benchmark compares like with like.
func TestBareClientStartsTheSame(t *testing.T) {
	h := newHarness(t, oci.Embedded)
	programs := h.fleet(5)
	_, remove := h.startBare(programs)

	if seen, err := h.runtime.Observe(t.Context()); err != nil || len(seen) != 0 {
		t.Errorf("containers without our label were seen: %v, %v", seen, err)
	}

	must(t, remove())
	h.startFleet(programs)

	if seen, err := h.runtime.Observe(t.Context()); err != nil || len(seen) != len(programs) {
		t.Errorf("%d containers of the fleet run: %v", len(seen), err)
	}
}
