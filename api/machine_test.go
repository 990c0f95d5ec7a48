package api

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/extactor/extactor/events"
)

func TestServiceListIsNeverNil(t *testing.T) {
	fresh := events.NewView("ext-fresh") // nothing has happened to it yet

	running := view("ext-hello", events.StateRunning, 2)
	running.Health = events.Health{Healthy: true, LastMessage: "probe ok"}
	running.Since = events.Moment{WallNS: 7 * second, BootNS: 90 * second}
	running.Recent = []events.Line{
		{State: events.StateWaiting, Message: "Waiting for network", At: events.Moment{WallNS: 3 * second, BootNS: 5}, BootID: otherBoot},
		{State: events.StateRunning, Message: "Started task", At: running.Since, BootID: bootID},
	}

	h := start(t, newServices(fresh, running), newJournal())

	got, err := h.Machine.ServiceList(t.Context(), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}

	// In this boot the time is reckoned from the boot clock: 10 s ago, though the wall clock has jumped since.
	reckoned := timestamppb.New(time.Unix(0, testNow.GetWallNs()-10*second))
	want := &machine.ServiceListResponse{Messages: []*machine.ServiceList{{Services: []*machine.ServiceInfo{
		{
			Id: "ext-fresh", State: "Initialized", Events: &machine.ServiceEvents{},
			Health: &machine.ServiceHealth{Unknown: true, LastChange: timestamppb.New(time.Unix(0, 0))},
		},
		{
			Id: "ext-hello", State: "Running",
			Events: &machine.ServiceEvents{Events: []*machine.ServiceEvent{
				{Msg: "Waiting for network", State: "Waiting", Ts: timestamppb.New(time.Unix(3, 0))},
				{Msg: "Started task", State: "Running", Ts: reckoned},
			}},
			Health: &machine.ServiceHealth{Healthy: true, LastMessage: "probe ok", LastChange: reckoned},
		},
	}}}}

	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}

	for _, service := range got.GetMessages()[0].GetServices() {
		if service.Health == nil || service.Events == nil {
			t.Errorf("%s: talosctl would crash", service.GetId())
		}
	}
}

func TestVersion(t *testing.T) {
	h := start(t, newServices(), newJournal())

	got, err := h.Machine.Version(t.Context(), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}

	want := &machine.VersionResponse{Messages: []*machine.Version{{
		Version: &machine.VersionInfo{
			Tag: "v1.2.3", Sha: "abc", Built: "2026-01-02T03:04:05Z", GoVersion: runtime.Version(), Os: "linux", Arch: runtime.GOARCH,
		},
		Features: &machine.FeaturesInfo{},
	}}}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

// served are the methods of Talos's machine.MachineService that mean something here.
var served = []string{
	"ApplyConfiguration", "CPUFreqStats", "CPUInfo", "Containers", "DiskStats", "Dmesg", "Events", "Hostname", "LoadAvg", "Logs",
	"LogsContainers", "Memory", "Mounts", "NetworkDeviceStats", "Processes", "ServiceList", "ServiceRestart", "ServiceStart",
	"ServiceStop", "Stats", "SystemStat", "Version",
}

// Each other method, and each of Talos's other services, says by its name that it is not there.
func TestTheRestOfTalosIsUnimplemented(t *testing.T) {
	h := start(t, newServices(), newJournal())

	absent := []string{"/cosi.resource.State/List", "/storage.StorageService/Disks", "/machine.MachineService/NoSuchMethod"}

	for _, method := range machine.MachineService_ServiceDesc.Methods {
		if !slices.Contains(served, method.MethodName) {
			absent = append(absent, "/machine.MachineService/"+method.MethodName)
		}
	}

	for _, stream := range machine.MachineService_ServiceDesc.Streams {
		if !slices.Contains(served, stream.StreamName) {
			absent = append(absent, "/machine.MachineService/"+stream.StreamName)
		}
	}

	if len(absent) < 30 {
		t.Fatalf("only %v are not served", absent)
	}

	for _, method := range absent {
		service, name, _ := strings.Cut(method[1:], "/")

		// What a stream of one message and an ordinary call send is the same.
		stream := must[grpc.ClientStream](t)(h.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method))
		_ = stream.SendMsg(&emptypb.Empty{})
		_ = stream.CloseSend()

		err := stream.RecvMsg(&emptypb.Empty{})
		wantStatus(t, err, codes.Unimplemented, "extactor has no "+name+" (of "+service+"): it runs extension services, and is not Talos")
	}

	err := h.conn.Invoke(t.Context(), "/extactor.v1.Extactor/FromTheFuture", &emptypb.Empty{}, &emptypb.Empty{})
	wantStatus(t, err, codes.Unimplemented, "extactor.v1.Extactor has no FromTheFuture")
}
