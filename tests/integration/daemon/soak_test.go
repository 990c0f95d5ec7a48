package daemon_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// What a day of trouble looks like, compressed. SOAK_RESTARTS and SOAK_CHANGES say how much of it.
const (
	soakRestarts = 2000
	soakChanges  = 200
	soakLoops    = 8  // services that fail at once, each time
	soakSteady   = 20 // services that nothing may happen to
	soakReport   = 10 * time.Second
)

// BenchmarkSoak lets services crash and documents change for as long as it takes, and prints what the daemon takes
// meanwhile. It fails where memory, goroutines or descriptors grow, or where anything happens to the other services.
func BenchmarkSoak(b *testing.B) {
	restarts, changes := wish(b, "SOAK_RESTARTS", soakRestarts), wish(b, "SOAK_CHANGES", soakChanges)

	for b.Loop() {
		soak(b, restarts, changes)
	}
}

func wish(b *testing.B, variable string, otherwise int) int {
	b.Helper()

	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}

	number, err := strconv.Atoi(text)
	must(b, err)

	return number
}

func soak(b *testing.B, restarts, changes int) {
	h := newHost(b)

	for index := range soakSteady {
		h.service(fmt.Sprintf("steady%d", index), "restart: always", "serve")
	}

	for index := range soakLoops {
		h.service(fmt.Sprintf("loop%d", index), "restart: always\nextactor: {backoff: {initial: 1ms, max: 1ms}}", "exit", "3")
	}

	h.service("changed", "restart: always\ndepends: [{configuration: true}]\nextactor: {onConfigChange: signal}", "reread", "/number")

	d := h.start()
	for index := range soakSteady {
		d.started(b, 0, fmt.Sprintf("ext-steady%d", index))
	}

	meter := &soakMeter{b: b, d: d}
	meter.settle(restarts / 10)

	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()

	changed := make(chan error, 1)

	go func() { changed <- meter.change(ctx, changes) }()

	meter.until(restarts)

	if err := <-changed; err != nil {
		b.Error(err)
	}

	meter.judge()
}

// soakMeter looks at the daemon from time to time.
type soakMeter struct {
	b       *testing.B
	d       *daemon
	begin   time.Time
	first   *apiv1.Usage
	changes atomic.Int64
}

// settle waits for the first restarts: caches fill, and the heap finds its size.
func (m *soakMeter) settle(restarts int) {
	m.begin = time.Now()
	fmt.Printf("%8s %9s %8s %10s %10s %11s %12s %8s\n", "time", "restarts", "changes", "RSS", "heap", "goroutines", "descriptors", "status")

	m.until(restarts)
	m.first = m.d.usage(m.b)
}

// until looks until the services have been restarted that often.
func (m *soakMeter) until(restarts int) {
	for look := time.NewTicker(soakReport); ; {
		done := m.restarts()
		m.print(done)

		if done >= restarts {
			return
		}

		<-look.C
	}
}

func (m *soakMeter) restarts() int {
	response, err := m.d.client.Extactor.Status(context.Background(), &apiv1.StatusRequest{})
	must(m.b, err)

	sum := 0
	for _, service := range response.GetServices() {
		sum += int(service.GetRestarts())
	}

	return sum
}

func (m *soakMeter) print(restarts int) {
	asked := time.Now()
	usage := m.d.usage(m.b)

	fmt.Printf("%8s %9d %8d %7.1fMiB %7.1fMiB %11d %12d %8s\n", time.Since(m.begin).Round(time.Second), restarts, m.changes.Load(),
		mebibytes(usage.GetResidentBytes()), mebibytes(usage.GetHeapBytes()), usage.GetGoroutines(), usage.GetDescriptors(),
		time.Since(asked).Round(100*time.Microsecond))
}

func mebibytes(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// change applies one document after another, each with another content; one in ten changes the environment too, so that
// the service restarts.
func (m *soakMeter) change(ctx context.Context, changes int) error {
	for index := range changes {
		document := fmt.Sprintf("apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: changed\nconfigFiles:\n"+
			"  - {content: number %d, mountPath: /number}\nenvironment: [TENTH=%d]\n", index, index/10)

		if _, err := m.d.client.Extactor.ApplyConfig(ctx, &apiv1.ApplyConfigRequest{Source: "soak", Content: []byte(document)}); err != nil {
			return fmt.Errorf("change %d: %w", index, err)
		}

		m.changes.Add(1)
	}

	return nil
}

// judge stops the noise, and compares with the beginning.
func (m *soakMeter) judge() {
	for index := range soakLoops {
		_, err := m.d.client.Extactor.Stop(m.b.Context(), &apiv1.ServiceRequest{Id: fmt.Sprintf("loop%d", index), Wait: true})
		must(m.b, err)
	}

	const fifth = 5

	m.d.settles(m.b, "all is quiet", func(now *apiv1.Usage) bool {
		return now.GetDescriptors() <= m.first.GetDescriptors() && now.GetGoroutines() <= m.first.GetGoroutines() &&
			now.GetResidentBytes() <= m.first.GetResidentBytes()+m.first.GetResidentBytes()/fifth
	})
	m.print(m.restarts())

	response, err := m.d.client.Extactor.Status(m.b.Context(), &apiv1.StatusRequest{})
	must(m.b, err)

	for _, service := range response.GetServices() {
		if steady, _ := filepath.Match("ext-steady*", service.GetId()); steady && (service.GetRestarts() > 0 || service.GetState() != "Running") {
			m.b.Errorf("%s is %s and was restarted %d times", service.GetId(), service.GetState(), service.GetRestarts())
		}
	}

	m.b.ReportMetric(mebibytes(m.d.usage(m.b).GetResidentBytes())/mebibytes(m.first.GetResidentBytes()), "RSS-ratio")
}
