package compat_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/common"
	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"github.com/siderolabs/talos/pkg/machinery/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// roles, each with all that those before it may do.
var roles = []string{"reader", "operator", "admin"}

// system is where Talos keeps its own services.
const system = "system"

// document is an ExtensionServiceConfig for the service that waits for one.
const document = "apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: configured\nenvironment: [COLOUR=very-secret-green]\n"

// methods are all that Talos's client may call, with the least role, and what must be true of the answer.
var methods = []struct {
	name  string
	least string
	call  func(ctx context.Context, c *client.Client) error
}{
	{"Version", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.Version(ctx)

		return first(err, answer.GetMessages(), func(one *machine.Version) bool {
			return one.GetVersion().GetTag() != "" && one.GetVersion().GetOs() == "linux" && one.GetFeatures().GetRbac()
		})
	}},
	{"ServiceList", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.ServiceList(ctx)

		return first(err, answer.GetMessages(), func(list *machine.ServiceList) bool {
			for _, service := range list.GetServices() {
				if service.GetHealth() == nil || service.GetEvents() == nil {
					return false
				}
			}

			return slices.ContainsFunc(list.GetServices(), func(one *machine.ServiceInfo) bool { return one.GetId() == "ext-hello" })
		})
	}},
	{"ServiceInfo", "reader", func(ctx context.Context, c *client.Client) error {
		services, err := c.ServiceInfo(ctx, "ext-configured")

		return first(err, services, func(one client.ServiceInfo) bool { return one.Service.GetId() == "ext-configured" })
	}},
	{"Logs", "reader", func(ctx context.Context, c *client.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()

		stream, err := c.Logs(ctx, system, common.ContainerDriver_CONTAINERD, "ext-hello", true, -1)
		if err != nil {
			return err
		}

		reader, err := client.ReadStream(stream)
		if err != nil {
			return err
		}

		lines := bufio.NewScanner(reader) // followed, because the service may have just begun
		for lines.Scan() {
			if lines.Text() == "hello from hello" {
				return nil
			}
		}

		return cmp.Or(lines.Err(), errors.New("the line is not in the log"))
	}},
	{"LogsContainers", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.LogsContainers(ctx)

		return first(err, answer.GetMessages(), func(one *machine.LogsContainer) bool { return slices.Contains(one.GetIds(), "ext-hello") })
	}},
	{"Events", "reader", func(ctx context.Context, c *client.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()

		results := make(chan client.EventResult)
		if err := c.EventsWatchV2(ctx, results, client.WithTailEvents(-1)); err != nil {
			return err
		}

		for result := range results {
			if result.Error != nil {
				return result.Error
			}

			if event, ok := result.Event.Payload.(*machine.ServiceStateEvent); ok && event.GetService() == "ext-hello" {
				return nil
			}
		}

		return errors.New("the stream ended")
	}},
	{"Containers", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.Containers(ctx, system, common.ContainerDriver_CONTAINERD)

		return first(err, answer.GetMessages(), func(one *machine.Container) bool {
			return slices.ContainsFunc(one.GetContainers(), func(info *machine.ContainerInfo) bool { return info.GetId() == "ext-hello" && info.GetPid() > 0 })
		})
	}},
	{"Stats", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.Stats(ctx, system, common.ContainerDriver_CONTAINERD)

		return first(err, answer.GetMessages(), func(one *machine.Stats) bool {
			return slices.ContainsFunc(one.GetStats(), func(stat *machine.Stat) bool { return stat.GetId() == "ext-hello" && stat.GetMemoryUsage() > 0 })
		})
	}},
	{"Processes", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.Processes(ctx)

		return first(err, answer.GetMessages(), func(one *machine.Process) bool {
			return slices.ContainsFunc(one.GetProcesses(), func(info *machine.ProcessInfo) bool { return info.GetPid() == int32(os.Getpid()) })
		})
	}},
	{"Memory", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.Memory(ctx)

		return first(err, answer.GetMessages(), func(one *machine.Memory) bool { return one.GetMeminfo().GetMemtotal() > 0 })
	}},
	{"Dmesg", "reader", func(ctx context.Context, c *client.Client) error {
		stream, err := c.Dmesg(ctx, false, false)
		if err != nil {
			return err
		}

		reader, err := client.ReadStream(stream)
		if err != nil {
			return err
		}
		defer reader.Close()

		_, err = io.Copy(io.Discard, reader)

		return err
	}},
	{"LoadAvg", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.MachineClient.LoadAvg(ctx, &emptypb.Empty{})

		return first(err, answer.GetMessages(), func(one *machine.LoadAvg) bool { return one.GetLoad1()+one.GetLoad15() > 0 })
	}},
	{"SystemStat", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.MachineClient.SystemStat(ctx, &emptypb.Empty{})

		return first(err, answer.GetMessages(), func(one *machine.SystemStat) bool { return one.GetBootTime() > 0 && one.GetCpuTotal() != nil })
	}},
	{"CPUInfo", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.MachineClient.CPUInfo(ctx, &emptypb.Empty{})

		return first(err, answer.GetMessages(), func(one *machine.CPUsInfo) bool { return len(one.GetCpuInfo()) > 0 })
	}},
	{"NetworkDeviceStats", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.MachineClient.NetworkDeviceStats(ctx, &emptypb.Empty{})

		return first(err, answer.GetMessages(), func(one *machine.NetworkDeviceStats) bool { return one.GetTotal() != nil && len(one.GetDevices()) > 0 })
	}},
	{"DiskStats", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.MachineClient.DiskStats(ctx, &emptypb.Empty{})

		return first(err, answer.GetMessages(), func(one *machine.DiskStats) bool { return one.GetTotal() != nil })
	}},
	{"CPUFreqStats", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.MachineClient.CPUFreqStats(ctx, &emptypb.Empty{})

		return first(err, answer.GetMessages(), func(*machine.CPUsFreqStats) bool { return true }) // virtual machines have none
	}},
	{"Hostname", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.MachineClient.Hostname(ctx, &emptypb.Empty{})

		return first(err, answer.GetMessages(), func(one *machine.Hostname) bool { return one.GetHostname() == hostname() })
	}},
	{"Mounts", "reader", func(ctx context.Context, c *client.Client) error {
		answer, err := c.Mounts(ctx)

		return first(err, answer.GetMessages(), func(one *machine.Mounts) bool {
			return slices.ContainsFunc(one.GetStats(), func(stat *machine.MountStat) bool { return stat.GetMountedOn() == "/" && stat.GetSize() > 0 })
		})
	}},
	{"ServiceStop", "operator", func(ctx context.Context, c *client.Client) error {
		answer, err := c.ServiceStop(ctx, "ext-other")

		return first(err, answer.GetMessages(), func(one *machine.ServiceStop) bool { return one.GetResp() == `Service "ext-other" stopped` })
	}},
	{"ServiceStart", "operator", func(ctx context.Context, c *client.Client) error {
		answer, err := c.ServiceStart(ctx, "ext-other")

		return first(err, answer.GetMessages(), func(one *machine.ServiceStart) bool { return one.GetResp() == `Service "ext-other" started` })
	}},
	{"ServiceRestart", "operator", func(ctx context.Context, c *client.Client) error {
		answer, err := c.ServiceRestart(ctx, "ext-other")

		return first(err, answer.GetMessages(), func(one *machine.ServiceRestart) bool { return one.GetResp() == `Service "ext-other" restarted` })
	}},
	{"ApplyConfiguration, dry run", "admin", func(ctx context.Context, c *client.Client) error {
		answer, err := c.ApplyConfiguration(ctx, &machine.ApplyConfigurationRequest{
			Data: []byte(document), Mode: machine.ApplyConfigurationRequest_AUTO, DryRun: true,
		})

		return first(err, answer.GetMessages(), func(one *machine.ApplyConfiguration) bool {
			return strings.Contains(one.GetModeDetails(), "configured") && !strings.Contains(one.GetModeDetails(), "very-secret")
		})
	}},
	{"ApplyConfiguration", "admin", func(ctx context.Context, c *client.Client) error {
		answer, err := c.ApplyConfiguration(ctx, &machine.ApplyConfigurationRequest{
			Data: []byte(document), Mode: machine.ApplyConfigurationRequest_NO_REBOOT,
		})

		return first(err, answer.GetMessages(), func(one *machine.ApplyConfiguration) bool {
			return strings.Contains(one.GetModeDetails(), `"configured": created`) && !strings.Contains(one.GetModeDetails(), "very-secret")
		})
	}},
}

// first demands that a call succeeded, and that something is true of one of the messages.
func first[T any](err error, messages []T, want func(T) bool) error {
	if err != nil || slices.ContainsFunc(messages, want) {
		return err
	}

	return fmt.Errorf("answered %v", messages)
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}

	return name
}

// What the documentation says of the methods of Talos is what is tried here, and nothing less.
func TestMethodsAreThoseOfTheDocumentation(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	must(t, err)

	documented := make(map[string]string)

	for _, row := range regexp.MustCompile("(?m)^\\| `machine\\.MachineService/(\\w+)` \\|(.*)$").FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = roles[len(roles)-strings.Count(row[2], "yes")]
	}

	tried := make(map[string]string)

	for _, method := range methods {
		if method.name != "ServiceInfo" { // of the client only: it asks for ServiceList
			name, _, _ := strings.Cut(method.name, ",")
			tried[name] = method.least
		}
	}

	if !maps.Equal(documented, tried) {
		t.Errorf("documented are %v,\ntried are %v", documented, tried)
	}
}

// Every method with every role: what is allowed works, what is not is refused and says which role it takes.
func TestMethodsAndRoles(t *testing.T) {
	n := newNode(t)
	clients := make(map[string]*client.Client)

	for _, role := range roles {
		clients[role] = n.client(role)
	}

	n.running(clients["reader"], "ext-hello")

	for _, method := range methods {
		for _, role := range roles {
			t.Run(method.name+"/"+role, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()

				err := method.call(ctx, clients[role])

				if slices.Index(roles, role) >= slices.Index(roles, method.least) {
					if err != nil {
						t.Errorf("refused: %v", err)
					}

					return
				}

				if client.StatusCode(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "os:"+method.least) {
					t.Errorf("not refused as it should be: %v", err)
				}
			})
		}
	}
}

// running waits until a service runs, by its events.
func (n *node) running(c *client.Client, id string) {
	n.t.Helper()

	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()

	results := make(chan client.EventResult)
	must(n.t, c.EventsWatchV2(ctx, results, client.WithTailEvents(-1)))

	for result := range results {
		must(n.t, result.Error)

		event, ok := result.Event.Payload.(*machine.ServiceStateEvent)
		if ok && event.GetService() == id && event.GetAction() == machine.ServiceStateEvent_RUNNING {
			return
		}
	}

	n.t.Fatalf("%s does not run", id)
}

// What extactor has no such thing for is said to be unimplemented, whoever asks.
func TestTheRestIsUnimplemented(t *testing.T) {
	n := newNode(t)
	c := n.client("admin")

	for name, call := range map[string]func(ctx context.Context) error{
		"Reboot":     func(ctx context.Context) error { return c.Reboot(ctx) },
		"Shutdown":   func(ctx context.Context) error { return c.Shutdown(ctx) },
		"Kubeconfig": func(ctx context.Context) error { _, err := c.Kubeconfig(ctx); return err },
		"Upgrade":    func(ctx context.Context) error { _, err := c.Upgrade(ctx, "image", false, false); return err },
		"EtcdMemberList": func(ctx context.Context) error {
			_, err := c.EtcdMemberList(ctx, &machine.EtcdMemberListRequest{})

			return err
		},
		"Time": func(ctx context.Context) error { _, err := c.Time(ctx); return err },
		"GenerateClientConfiguration": func(ctx context.Context) error {
			_, err := c.GenerateClientConfiguration(ctx, &machine.GenerateClientConfigurationRequest{CrtTtl: durationpb.New(patience)})

			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := call(t.Context()); client.StatusCode(err) != codes.Unimplemented {
				t.Errorf("answered %v", err)
			}
		})
	}
}

// Bad input is refused with a word on what is wrong.
func TestBadRequests(t *testing.T) {
	n := newNode(t)
	c := n.client("admin")

	apply := func(text string, mode machine.ApplyConfigurationRequest_Mode) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			_, err := c.ApplyConfiguration(ctx, &machine.ApplyConfigurationRequest{Data: []byte(text), Mode: mode})

			return err
		}
	}

	for name, row := range map[string]struct {
		call func(ctx context.Context) error
		want string
	}{
		"unknown service": {func(ctx context.Context) error { _, err := c.ServiceStart(ctx, "ext-nobody"); return err }, "ext-nobody"},
		"another kind":    {apply("apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: x\n", machine.ApplyConfigurationRequest_AUTO), "HostnameConfig"},
		"a mistake":       {apply(document+"colour: green\n---\nkind: ExtensionServiceConfig\n", machine.ApplyConfigurationRequest_AUTO), "name"},
		"reboot":          {apply(document, machine.ApplyConfigurationRequest_REBOOT), "REBOOT"},
		"other node": {func(ctx context.Context) error {
			_, err := c.Version(client.WithNode(ctx, "10.99.99.99"))

			return err
		}, "no request forwarding"},
		"two nodes": {func(ctx context.Context) error {
			_, err := c.Version(client.WithNodes(ctx, "127.0.0.1", "10.99.99.99"))

			return err
		}, "node"},
	} {
		t.Run(name, func(t *testing.T) {
			err := row.call(t.Context())
			if code := status.Code(err); err == nil || code == codes.Internal || code == codes.Unknown || !strings.Contains(err.Error(), row.want) {
				t.Errorf("answered %v", err)
			}
		})
	}

	if _, err := c.Version(client.WithNode(t.Context(), "127.0.0.1")); err != nil {
		t.Errorf("its own address: %v", err)
	}
}
