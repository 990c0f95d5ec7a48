package api

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// fakeMachine is a host that says one thing about everything.
type fakeMachine struct {
	err   error
	asked [2]bool // follow and tail
}

func (f *fakeMachine) Hostname() (string, error)          { return "node", f.err }
func (f *fakeMachine) LoadAvg() (*machine.LoadAvg, error) { return &machine.LoadAvg{Load1: 1}, f.err }
func (f *fakeMachine) Memory() (*machine.MemInfo, error)  { return &machine.MemInfo{Memtotal: 2}, f.err }
func (f *fakeMachine) SystemStat() (*machine.SystemStat, error) {
	return &machine.SystemStat{BootTime: 3}, f.err
}
func (f *fakeMachine) CPUInfo() ([]*machine.CPUInfo, error) {
	return []*machine.CPUInfo{{Processor: 4}}, f.err
}
func (f *fakeMachine) CPUFrequencies() ([]*machine.CPUFreqStats, error) {
	return []*machine.CPUFreqStats{{CurrentFrequency: 5}}, f.err
}
func (f *fakeMachine) NetworkDevices() (*machine.NetworkDeviceStats, error) {
	return &machine.NetworkDeviceStats{Total: &machine.NetDev{RxBytes: 6}}, f.err
}
func (f *fakeMachine) Disks() (*machine.DiskStats, error) {
	return &machine.DiskStats{Total: &machine.DiskStat{ReadSectors: 7}}, f.err
}
func (f *fakeMachine) Processes() ([]*machine.ProcessInfo, error) {
	return []*machine.ProcessInfo{{Pid: 8}}, f.err
}
func (f *fakeMachine) Mounts(context.Context) ([]*machine.MountStat, error) {
	return []*machine.MountStat{{MountedOn: "/9"}}, f.err
}

func (f *fakeMachine) Log(ctx context.Context, follow, tail bool, yield func([]byte) error) error {
	f.asked = [2]bool{follow, tail}

	for _, line := range []string{"one\n", "two\n"} {
		if err := yield([]byte(line)); err != nil {
			return err
		}
	}

	if follow {
		<-ctx.Done()

		return ctx.Err()
	}

	return f.err
}

// Every method answers with what the host says, one message each, and with its error.
func TestHostMethods(t *testing.T) {
	h := start(t, newServices(), newJournal())

	type method func() (proto.Message, error)

	methods := map[string]struct {
		ask  method
		want proto.Message
	}{
		"Hostname": {asking(h.Machine.Hostname, t), &machine.HostnameResponse{Messages: []*machine.Hostname{{Hostname: "node"}}}},
		"LoadAvg":  {asking(h.Machine.LoadAvg, t), &machine.LoadAvgResponse{Messages: []*machine.LoadAvg{{Load1: 1}}}},
		"Memory":   {asking(h.Machine.Memory, t), &machine.MemoryResponse{Messages: []*machine.Memory{{Meminfo: &machine.MemInfo{Memtotal: 2}}}}},
		"SystemStat": {
			asking(h.Machine.SystemStat, t), &machine.SystemStatResponse{Messages: []*machine.SystemStat{{BootTime: 3}}},
		},
		"CPUInfo": {
			asking(h.Machine.CPUInfo, t), &machine.CPUInfoResponse{Messages: []*machine.CPUsInfo{{CpuInfo: []*machine.CPUInfo{{Processor: 4}}}}},
		},
		"CPUFreqStats": {
			asking(h.Machine.CPUFreqStats, t),
			&machine.CPUFreqStatsResponse{Messages: []*machine.CPUsFreqStats{{CpuFreqStats: []*machine.CPUFreqStats{{CurrentFrequency: 5}}}}},
		},
		"NetworkDeviceStats": {
			asking(h.Machine.NetworkDeviceStats, t),
			&machine.NetworkDeviceStatsResponse{Messages: []*machine.NetworkDeviceStats{{Total: &machine.NetDev{RxBytes: 6}}}},
		},
		"DiskStats": {
			asking(h.Machine.DiskStats, t), &machine.DiskStatsResponse{Messages: []*machine.DiskStats{{Total: &machine.DiskStat{ReadSectors: 7}}}},
		},
		"Processes": {
			asking(h.Machine.Processes, t), &machine.ProcessesResponse{Messages: []*machine.Process{{Processes: []*machine.ProcessInfo{{Pid: 8}}}}},
		},
		"Mounts": {
			asking(h.Machine.Mounts, t), &machine.MountsResponse{Messages: []*machine.Mounts{{Stats: []*machine.MountStat{{MountedOn: "/9"}}}}},
		},
	}

	for name, method := range methods {
		equal(t, name, must[proto.Message](t)(method.ask()), method.want)
	}

	h.machine.err = errors.New("no /proc here")

	for _, method := range methods {
		_, err := method.ask()
		wantStatus(t, err, codes.Internal, "no /proc here")
	}
}

// asking calls a method that takes nothing.
func asking[T proto.Message](method func(context.Context, *emptypb.Empty, ...grpc.CallOption) (T, error), t *testing.T) func() (proto.Message, error) {
	return func() (proto.Message, error) { return method(t.Context(), &emptypb.Empty{}) }
}

func TestDmesg(t *testing.T) {
	h := start(t, newServices(), newJournal())

	stream := must[machine.MachineService_DmesgClient](t)(h.Machine.Dmesg(t.Context(), &machine.DmesgRequest{}))
	for _, want := range []string{"one\n", "two\n"} {
		equal(t, "line", must[*common.Data](t)(stream.Recv()), &common.Data{Bytes: []byte(want)})
	}

	if _, err := stream.Recv(); err != io.EOF || h.machine.asked != [2]bool{} {
		t.Errorf("it ended with %v, asked was %v", err, h.machine.asked)
	}

	h.machine.err = errors.New("no log here")
	stream = must[machine.MachineService_DmesgClient](t)(h.Machine.Dmesg(t.Context(), &machine.DmesgRequest{Tail: true}))

	var err error
	for err == nil {
		_, err = stream.Recv()
	}

	wantStatus(t, err, codes.Internal, "no log here")

	if h.machine.asked != [2]bool{false, true} {
		t.Errorf("asked was %v", h.machine.asked)
	}

	// It ends with its reader, and with the server.
	ctx, cancel := context.WithCancel(t.Context())
	stream = must[machine.MachineService_DmesgClient](t)(h.Machine.Dmesg(ctx, &machine.DmesgRequest{Follow: true}))
	must[*common.Data](t)(stream.Recv())
	cancel()

	for err = nil; err == nil; {
		_, err = stream.Recv()
	}

	wantStatus(t, err, codes.Canceled, "context canceled")

	stream = must[machine.MachineService_DmesgClient](t)(h.Machine.Dmesg(t.Context(), &machine.DmesgRequest{Follow: true}))
	must[*common.Data](t)(stream.Recv())

	go func() { _ = h.stop() }()

	for err = nil; err == nil; {
		_, err = stream.Recv()
	}

	wantStatus(t, err, codes.Unavailable, "the daemon is shutting down")
}
