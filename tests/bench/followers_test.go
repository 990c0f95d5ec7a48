package bench_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/oci/logs"
)

// BenchmarkLogFollowers is how many lines a hundred followers of one log get, on fifty connections, from the FIFO of the
// service through logd and its files.
func BenchmarkLogFollowers(b *testing.B) {
	const (
		followers   = 100
		connections = 50
		lines       = 10000 // at once
	)

	services := someServices(1)
	id := services.views[0].ID
	dir := startLogd(b, id)
	s := serveAPI(b, services, followedLogs{dir})

	var clients []*api.Client
	for range connections {
		clients = append(clients, s.dial(b))
	}

	ctx, cancel := context.WithCancel(context.Background())

	var (
		got    [followers]atomic.Int64
		ended  sync.WaitGroup
		ready  sync.WaitGroup
		growth = make(chan struct{}, 1)
	)

	for number := range followers {
		stream, err := clients[number%connections].Machine.Logs(ctx, &machine.LogsRequest{Id: id, Follow: true, TailLines: -1})
		noError(b, err)
		ready.Add(1)

		ended.Go(func() {
			first := sync.OnceFunc(ready.Done)

			for {
				data, err := stream.Recv()
				if err != nil {
					return // the end of the benchmark
				}

				got[number].Add(int64(strings.Count(string(data.GetBytes()), "\n")))
				first()

				select {
				case growth <- struct{}{}:
				default:
				}
			}
		})
	}

	fifo, err := os.OpenFile(dir.FIFO(id), os.O_WRONLY, 0)
	noError(b, err)

	line := strings.Repeat("x", 99) + "\n"
	_, err = fifo.WriteString(line) // each follower has it before it is measured
	noError(b, err)
	ready.Wait()

	written := int64(1)
	chunk := []byte(strings.Repeat(line, 100))

	for b.Loop() {
		for range lines / 100 {
			_, err := fifo.Write(chunk)
			noError(b, err)
		}

		written += lines

		for late := time.After(time.Minute); least(got[:]) < written; {
			select {
			case <-growth:
			case <-late:
				b.Fatalf("a follower has %d of %d lines", least(got[:]), written)
			}
		}
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(followers*(written-1))/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(lost(got[:], written)), "lost")
	cancel()
	ended.Wait()
}

func least(got []atomic.Int64) int64 {
	smallest := got[0].Load()
	for index := range got {
		smallest = min(smallest, got[index].Load())
	}

	return smallest
}

// lost also counts lines that came twice.
func lost(got []atomic.Int64, written int64) int64 {
	var sum int64
	for index := range got {
		sum += max(written-got[index].Load(), got[index].Load()-written)
	}

	return sum
}

// startLogd runs logd on a directory with the log of a service.
func startLogd(b *testing.B, id string) logs.Dir {
	b.Helper()

	dir := logs.In(b.TempDir())
	noError(b, logs.Create(dir, id))
	held, err := logs.Hold(dir, id)
	noError(b, err)

	ctx, cancel := context.WithCancel(context.Background())
	ready, says := io.Pipe()
	ended := make(chan struct{})

	go func() {
		defer close(ended)
		noError(b, logs.Run(ctx, logs.Options{Dir: dir, Ready: says}))
	}()

	_, err = bufio.NewReader(ready).ReadString('\n')
	noError(b, err)
	b.Cleanup(func() {
		cancel()
		<-ended
		held.Close()
	})

	return dir
}

// followedLogs are those of a directory.
type followedLogs struct{ dir logs.Dir }

func (followedLogs) IDs() ([]string, error) { return nil, nil }

func (l followedLogs) Open(ctx context.Context, ids []string, query api.LogQuery) (io.ReadCloser, error) {
	return logs.Read(ctx, l.dir, ids, logs.Query(query))
}
