package bench_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkMillionPictures is what the commands take that draw a million events, as they are run from a shell: time of the
// processors, and memory at most. Beside them stands one that reads nothing but the newest: the rest of its time is that of
// the copy.
func BenchmarkMillionPictures(b *testing.B) {
	program, err := filepath.Abs("../../bin/extactor")
	if err == nil {
		_, err = os.Stat(program)
	}

	if err != nil {
		b.Skip("SKIPPED: there is no bin/extactor (make build)")
	}

	dir := b.TempDir()
	middle := fillMillion(b, dir)

	for _, words := range []string{
		"events --tail 1", "plot -o plot.svg", fmt.Sprintf("graph --at %d -o graph.svg", middle), "report -o report.html",
	} {
		name, _, _ := strings.Cut(words, " ")

		b.Run(name, func(b *testing.B) {
			var (
				wall, used time.Duration
				memory     int64
			)

			for b.Loop() {
				command := exec.Command(program, append(strings.Fields(words), "--journal", dir)...)
				command.Dir = b.TempDir()
				begin := time.Now()

				if output, err := command.CombinedOutput(); err != nil {
					b.Fatalf("%s: %v\n%s", words, err, output)
				}

				wall += time.Since(begin)
				used += command.ProcessState.UserTime() + command.ProcessState.SystemTime()

				if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
					memory = max(memory, usage.Maxrss)
				}
			}

			b.ReportMetric(wall.Seconds()/float64(b.N), "s")
			b.ReportMetric(used.Seconds()/float64(b.N), "cpu-s")
			b.ReportMetric(float64(memory)/1024, "MiB")
		})
	}
}
