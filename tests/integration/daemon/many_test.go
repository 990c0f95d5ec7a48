package daemon_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	apiv1 "github.com/extactor/extactor/api/v1"
)

const soakMany = 500

// BenchmarkSoakMany runs SOAK_SERVICES services at once, prints what that costs, and ends them all.
func BenchmarkSoakMany(b *testing.B) {
	services := wish(b, "SOAK_SERVICES", soakMany)

	for b.Loop() {
		many(b, services)
	}
}

func many(b *testing.B, services int) {
	h := newHost(b)
	for index := range services {
		h.service(fmt.Sprintf("one%d", index), "restart: always", "print", "ready", "serve")
	}

	begin := time.Now()
	d := h.start()

	fmt.Printf("%8s %9s %10s %10s %11s %12s\n", "time", "running", "RSS", "heap", "goroutines", "descriptors")

	var last *apiv1.Usage

	for look := time.NewTicker(2 * time.Second); ; <-look.C {
		response, err := d.client.Extactor.Status(b.Context(), &apiv1.StatusRequest{})
		must(b, err)

		running := 0

		for _, service := range response.GetServices() {
			if strings.HasPrefix(service.GetId(), "ext-") && service.GetState() == "Running" {
				running++
			}
		}

		last = d.usage(b)
		fmt.Printf("%8s %9d %7.1fMiB %7.1fMiB %11d %12d\n", time.Since(begin).Round(100*time.Millisecond), running,
			mebibytes(last.GetResidentBytes()), mebibytes(last.GetHeapBytes()), last.GetGoroutines(), last.GetDescriptors())

		if running == services {
			break
		}
	}

	for _, service := range []string{"one0", fmt.Sprintf("one%d", services-1)} {
		h.printed(service, "ready")
	}

	begin = time.Now()

	h.signal(unix.SIGTERM)
	<-d.ended
	fmt.Printf("all have ended after %v\n", time.Since(begin).Round(100*time.Millisecond))

	if status := h.awaitEnd(); status.ExitStatus() != 0 {
		b.Errorf("the daemon ended with %v", status)
	}

	if left := h.leftovers(); len(left) > 0 {
		b.Errorf("left behind:\n%s", list(left))
	}

	b.ReportMetric(mebibytes(last.GetResidentBytes()), "RSS-MiB")
	b.ReportMetric(float64(last.GetDescriptors())/float64(services), "descriptors/service")
	b.ReportMetric(float64(last.GetGoroutines())/float64(services), "goroutines/service")
}
