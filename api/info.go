package api

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// Info implements extactor.v1.
func (e *extactorService) Info(context.Context, *apiv1.InfoRequest) (*apiv1.InfoResponse, error) {
	usage, err := ownUsage()
	if err != nil {
		return nil, status.Errorf(codes.Internal, "cannot tell what the daemon takes: %v", err)
	}

	options := e.server.options

	return &apiv1.InfoResponse{
		Version: options.Version.Tag, Pid: uint32(os.Getpid()), Instance: options.Host.Instance, Places: options.Host.Places(),
		Started: instant(options.Host.Started, options.BootID), Now: instant(options.Now(), options.BootID), Usage: usage,
	}, nil
}

// ownUsage asks the kernel and the Go runtime about this process. It does not stop the world.
func ownUsage() (*apiv1.Usage, error) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)

	usage := &apiv1.Usage{HeapBytes: heap[0].Value.Uint64(), Goroutines: uint32(runtime.NumGoroutine())}

	var size, resident uint64

	memory, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(memory), &size, &resident)
	}

	if err != nil {
		return nil, err
	}

	usage.ResidentBytes = resident * uint64(os.Getpagesize())

	for directory, count := range map[string]*uint32{"/proc/self/fd": &usage.Descriptors, "/proc/self/task": &usage.Threads} {
		entries, err := os.ReadDir(directory)
		if err != nil {
			return nil, err
		}

		*count = uint32(len(entries))
	}

	usage.Descriptors-- // the one that looked

	return usage, nil
}
