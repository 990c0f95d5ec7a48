package api

import (
	"context"
	"errors"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"

	"github.com/extactor/extactor/events"
)

// Tasks implements Containers.
func (f *fakeHost) Tasks(context.Context) ([]Task, error) { return f.tasks, f.err }

func TestContainers(t *testing.T) {
	h := start(t, newServices(), newJournal())
	request := &machine.ContainersRequest{Namespace: "system"}

	got := must[*machine.ContainersResponse](t)(h.Machine.Containers(t.Context(), request))
	equal(t, "none", got, &machine.ContainersResponse{Messages: []*machine.Container{{}}})

	h.host.tasks = []Task{{"ext-a", 7, "RUNNING"}, {"ext-b", 8, "STOPPED"}}
	got = must[*machine.ContainersResponse](t)(h.Machine.Containers(t.Context(), request))
	equal(t, "two", got, &machine.ContainersResponse{Messages: []*machine.Container{{Containers: []*machine.ContainerInfo{
		{Namespace: "system", Id: "ext-a", InternalId: "ext-a", PodId: "ext-a", Name: "ext-a", Pid: 7, Status: "RUNNING"},
		{Namespace: "system", Id: "ext-b", InternalId: "ext-b", PodId: "ext-b", Name: "ext-b", Pid: 8, Status: "STOPPED"},
	}}}})

	h.host.err = errors.New("containerd is away")
	_, err := h.Machine.Containers(t.Context(), request)
	wantStatus(t, err, codes.Unavailable, "containerd is away")
}

func TestTalosStats(t *testing.T) {
	services := newServices(view("cri", events.StateRunning, 1), view("ext-waits", events.StateWaiting, 1))
	for _, id := range []string{"ext-b", "ext-aa", "ext-gone"} {
		running := view(id, events.StateRunning, 2)
		running.PID = 7
		services.set(running)
	}

	h := start(t, services, newJournal())
	got := must[*machine.StatsResponse](t)(h.Machine.Stats(t.Context(), &machine.StatsRequest{Namespace: "system"}))
	equal(t, "stats", got, &machine.StatsResponse{Messages: []*machine.Stats{{Stats: []*machine.Stat{
		{Namespace: "system", Id: "ext-aa", PodId: "ext-aa", Name: "ext-aa", MemoryUsage: 6 << 20, CpuUsage: uint64(6 * second)},
		{Namespace: "system", Id: "ext-b", PodId: "ext-b", Name: "ext-b", MemoryUsage: 5 << 20, CpuUsage: uint64(5 * second)},
	}}}})
}

// There is one place with containers here; the client asks for another with -k.
func TestOtherContainersAreRefused(t *testing.T) {
	h := start(t, newServices(), newJournal())

	for _, row := range []struct {
		namespace string
		driver    common.ContainerDriver
		message   string
	}{
		{"k8s.io", common.ContainerDriver_CRI, `namespace "k8s.io" is not known; the containers of services are in "system"`},
		{"../\x00", common.ContainerDriver_CONTAINERD, `namespace "../\x00" is not known; the containers of services are in "system"`},
		{"system", common.ContainerDriver_CRI, "driver CRI is not known; the containers of services are run by CONTAINERD"},
		{"", -1, "driver -1 is not known; the containers of services are run by CONTAINERD"},
	} {
		_, err := h.Machine.Containers(t.Context(), &machine.ContainersRequest{Namespace: row.namespace, Driver: row.driver})
		wantStatus(t, err, codes.InvalidArgument, row.message)

		_, err = h.Machine.Stats(t.Context(), &machine.StatsRequest{Namespace: row.namespace, Driver: row.driver})
		wantStatus(t, err, codes.InvalidArgument, row.message)
	}
}
