package bench_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// BenchmarkThousandToRunning is the time from the start of the actors until 1000 services with fake containers are shown
// as Running, each in its four decisions on disk, and the memory that they hold then.
func BenchmarkThousandToRunning(b *testing.B) {
	const count = 1000

	files := make([]*spec.Service, 0, count)
	for number := range count {
		files = append(files, serve(fmt.Sprintf("s%d", number)))
	}

	var took []time.Duration

	for b.Loop() {
		j := openJournal(b, fmt.Sprintf("state-%d", len(took)))
		before := heap()
		begin := time.Now()
		system := startSystem(b, j, files)

		until(b, system, func() bool { return running(system) == count })

		took = append(took, time.Since(begin))
		b.ReportMetric(float64(heap()-before)/count, "heap-B/service")
		b.ReportMetric(float64(resident(b))/(1<<20), "RSS-MiB")
		b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
		system.Close()
	}

	b.ReportMetric(0, "ns/op")
	report(b, "all", took)
}

func running(system *actors.System) int {
	count := 0

	for _, view := range system.Views() {
		if view.ID != service.Runtime && view.State == events.StateRunning {
			count++
		}
	}

	return count
}

func heap() int64 {
	debug.FreeOSMemory()

	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)

	return int64(stats.HeapAlloc)
}

// resident is the memory of this process that is in RAM, in bytes.
func resident(b *testing.B) int {
	b.Helper()

	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}

	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		b.Fatal(err)
	}

	return pages * os.Getpagesize()
}
