package daemon_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// A hundred clients at once, and as many that break every rule, neither hold up a service nor leave anything behind in
// the daemon: no goroutine, no descriptor.
func TestHostileClients(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("loud", "restart: always", "flood")
	h.service("quiet", "restart: always", "serve")

	d := h.start()
	d.started(t, 0, "ext-loud")
	d.started(t, 0, "ext-quiet")

	before := d.usage(t)
	crowd := gather(t, h)

	// In the middle of all that, a person's commands are done.
	h.cli("service", "quiet", "restart").done(t)
	h.cli("status", "quiet").done(t)

	crowd.polite.Wait()

	during := d.usage(t)
	t.Logf("with %d clients that do not go: %v", len(crowd.rude), during)

	if limit := before.GetResidentBytes() + 64<<20; during.GetResidentBytes() > limit {
		t.Errorf("the daemon has %d bytes in memory, more than %d", during.GetResidentBytes(), limit)
	}

	crowd.leave()

	d.forgets(t, "the clients are gone", before)
}

// crowd are clients of which some end by themselves.
type crowd struct {
	polite sync.WaitGroup
	rude   []func()
}

func (c *crowd) leave() {
	for _, leave := range c.rude {
		leave()
	}
}

// gather lets everybody in.
func gather(t *testing.T, h *host) *crowd {
	t.Helper()

	const many = 100

	c := &crowd{}
	t.Cleanup(c.leave) // twice does no harm

	for index := range many {
		c.polite.Go(func() {
			if err := askAround(t.Context(), h.socket()); err != nil {
				t.Errorf("polite client %d: %v", index, err)
			}
		})
	}

	for range many / 4 {
		c.deaf(t, h.socket())

		for _, first := range []string{
			"",                   // never says a word
			"PRI * HTTP/2.0\r\n", // falls silent in the middle of the first one
			"GET / HTTP/1.1\r\nHost: extactor\r\n\r\n",
			"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\xff\x00garbage", 100),
		} {
			c.raw(t, h.socket(), first)
		}
	}

	c.malformed(t, h.socket())
	c.huge(t, h.socket())

	return c
}

// askAround is what a well-behaved client does.
func askAround(ctx context.Context, socket string) error {
	client, err := api.Dial(socket)
	if err != nil {
		return err
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	watch, err := client.Extactor.WatchStatus(ctx, &apiv1.StatusRequest{})
	if err != nil {
		return err
	}

	if _, err := watch.Recv(); err != nil {
		return err
	}

	for range 20 {
		if _, err := client.Extactor.Status(ctx, &apiv1.StatusRequest{}); err != nil {
			return err
		}
	}

	return nil
}

// deaf asks for everything and never reads it.
func (c *crowd) deaf(t *testing.T, socket string) {
	t.Helper()

	client, err := api.Dial(socket)
	must(t, err)

	ctx, cancel := context.WithCancel(context.Background())

	c.rude = append(c.rude, func() {
		cancel()
		client.Close()
	})

	_, err = client.Extactor.WatchStatus(ctx, &apiv1.StatusRequest{})
	must(t, err)
	_, err = client.Machine.Logs(ctx, &machine.LogsRequest{Id: "ext-loud", Follow: true, TailLines: -1})
	must(t, err)
	_, err = client.Extactor.Events(ctx, &apiv1.EventsRequest{Follow: true})
	must(t, err)
}

// raw says something that is no gRPC, and stays.
func (c *crowd) raw(t *testing.T, socket, first string) {
	t.Helper()

	conn, err := net.Dial("unix", socket)
	must(t, err)

	c.rude = append(c.rude, func() { conn.Close() })

	_, err = conn.Write([]byte(first))
	must(t, err)
}

// bytesCodec sends what it is given, whatever that is.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(value any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(value.([]byte))}, nil
}

func (bytesCodec) Unmarshal(mem.BufferSlice, any) error { return nil }

// malformed sends messages that are none.
func (c *crowd) malformed(t *testing.T, socket string) {
	t.Helper()

	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
	must(t, err)
	defer conn.Close()

	for _, call := range []struct {
		method string
		want   codes.Code
	}{
		{"/machine.MachineService/ServiceStart", codes.Internal},
		{"/extactor.v1.Extactor/Stop", codes.Internal},
		{"/extactor.v1.Extactor/NoSuchMethod", codes.Unimplemented},
		{"/no.such.Service/Call", codes.Unimplemented},
	} {
		err := conn.Invoke(t.Context(), call.method, []byte("\xff\xff\xff\xffnot a message"), new(any))
		if status.Code(err) != call.want {
			t.Errorf("%s with garbage: %v, want %v", call.method, err, call.want)
		}
	}
}

// huge sends requests of a megabyte, and of more than anybody may send.
func (c *crowd) huge(t *testing.T, socket string) {
	t.Helper()

	client, err := api.Dial(socket)
	must(t, err)
	defer client.Close()

	_, err = client.Extactor.Stop(t.Context(), &apiv1.ServiceRequest{Id: strings.Repeat("x", 1<<20)})
	if status.Code(err) != codes.NotFound || len(err.Error()) > 1000 {
		t.Errorf("a megabyte of id: code %v in an answer of %d bytes", status.Code(err), len(err.Error()))
	}

	comment := []byte("# " + strings.Repeat("x", 1<<20-100) + "\n")
	if _, err = client.Extactor.ApplyConfig(t.Context(), &apiv1.ApplyConfigRequest{Content: comment}); len(fmt.Sprint(err)) > 1000 {
		t.Errorf("a megabyte of comment: an answer of %d bytes", len(err.Error()))
	}

	_, err = client.Extactor.ApplyConfig(t.Context(), &apiv1.ApplyConfigRequest{Content: make([]byte, 8<<20)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("eight megabytes: %v", err)
	}
}

// usage is what the daemon takes now.
func (d *daemon) usage(t testing.TB) *apiv1.Usage {
	t.Helper()

	info, err := d.client.Extactor.Info(context.Background(), &apiv1.InfoRequest{})
	must(t, err)

	return info.GetUsage()
}

// forgets waits until the daemon takes as much as before. It keeps readers of its database for later: one guest that is left
// would not be seen, several are.
func (d *daemon) forgets(t *testing.T, what string, before *apiv1.Usage) {
	t.Helper()

	const kept = 4

	d.settles(t, what, func(now *apiv1.Usage) bool {
		return now.GetDescriptors() <= before.GetDescriptors()+kept && now.GetGoroutines() <= before.GetGoroutines()+kept
	})
}

// settles waits until what the daemon takes is as it should be. Nothing tells when a process has closed something.
func (d *daemon) settles(t testing.TB, what string, match func(*apiv1.Usage) bool) {
	t.Helper()

	limit := time.After(patience)

	for look := time.NewTicker(100 * time.Millisecond); ; {
		now := d.usage(t)
		if match(now) {
			return
		}

		select {
		case <-look.C:
		case <-limit:
			t.Errorf("%s, and the daemon still takes %v", what, now)

			return
		}
	}
}
