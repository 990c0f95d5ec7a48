package api

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
)

// Usages implements Meters: a service takes as many MiB and seconds as its id is long; what is called gone is gone.
func (f *fakeHost) Usages(ids []string) (map[string]Usage, error) {
	usages := map[string]Usage{}

	for _, id := range ids {
		if id != "ext-gone" {
			usages[id] = Usage{CPU: time.Duration(len(id)) * time.Second, Memory: uint64(len(id)) << 20}
		}
	}

	return usages, nil
}

func TestStats(t *testing.T) {
	services := newServices(view("cri", events.StateRunning, 1), view("ext-waits", events.StateWaiting, 1))
	for _, id := range []string{"ext-b", "ext-aa", "ext-gone"} {
		running := view(id, events.StateRunning, 2)
		running.PID = 7
		services.set(running)
	}

	h := start(t, services, newJournal())
	aa := &apiv1.ServiceStat{Id: "ext-aa", CpuNs: uint64(6 * second), MemoryBytes: 6 << 20}
	b := &apiv1.ServiceStat{Id: "ext-b", CpuNs: uint64(5 * second), MemoryBytes: 5 << 20}
	now := &apiv1.Moment{WallNs: testNow.GetWallNs(), BootNs: testNow.GetBootNs(), BootId: bootID}

	for name, row := range map[string]struct {
		ids  []string
		want []*apiv1.ServiceStat
	}{
		"all":                           {nil, []*apiv1.ServiceStat{aa, b}},
		"some":                          {[]string{"ext-b", "ext-waits", "ext-gone", "ext-never"}, []*apiv1.ServiceStat{b}},
		"none that has a container":     {[]string{"cri", "ext-waits"}, nil},
		"an id that is not quite right": {[]string{"b"}, nil},
	} {
		got, err := h.Extactor.Stats(t.Context(), &apiv1.StatsRequest{Ids: row.ids})
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(&apiv1.StatsResponse{Now: now, Stats: row.want}, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
