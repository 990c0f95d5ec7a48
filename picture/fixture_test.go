package picture

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/extactor/extactor/events"
)

const (
	testBoot    = "0d47fd31-93c2-4227-a0d3-4d9a78757244"
	millisecond = int64(1_000_000)
	testWall    = int64(1_767_323_045_000_000_000) // 2026-01-02T03:04:05Z
	kernelTime  = int64(4_200_000_000)             // from the start of the kernel to that of the daemon
)

// story writes records; its moments are milliseconds since the daemon began.
type story struct {
	records []events.Record
	states  map[string]string
}

func newStory() *story {
	s := &story{states: map[string]string{}}
	s.tell(0, "", "", &events.DaemonStarted{Version: "v1", BootId: testBoot})
	s.tell(1, "containerd", events.StateWaiting, &events.RuntimeDisconnected{Problem: "not connected yet"})

	return s
}

func (s *story) tell(at int64, id, state string, fact events.Fact) {
	event := events.New(fact)
	boot := kernelTime + at*millisecond
	s.records = append(s.records, events.Record{
		Seq: uint64(len(s.records) + 1), BootID: testBoot, Service: id, State: state, Event: event, Message: events.Text(id, event),
		BootNS: boot, WallNS: testWall + at*millisecond,
	})
	s.states[id] = state
}

func (s *story) load(at int64, id string, checked bool, depends ...string) {
	s.tell(at, id, events.StateInitialized, &events.SpecLoaded{Lifecycle: &events.Lifecycle{Depends: depends, HealthCheck: checked}, BootId: testBoot})
	s.tell(at, id, events.StateWaiting, &events.AttemptBegan{Attempt: 1, BootNs: kernelTime + at*millisecond})

	for _, key := range depends {
		s.observe(at, id, key, false)
	}

	s.tell(at, id, events.StateWaiting, &events.UnmetChanged{Unmet: depends})
}

func (s *story) observe(at int64, id, key string, met bool) {
	s.tell(at, id, s.states[id], &events.ConditionChanged{Key: key, Met: met, Text: key})
}

func (s *story) start(at, took int64, id string, attempt uint64) {
	s.tell(at, id, events.StatePreparing, &events.PreparationStarted{Attempt: attempt})
	s.tell(at+took, id, events.StateRunning, &events.TaskStarted{Attempt: attempt, Pid: 100, Container: id})
}

func (s *story) fail(at, delay int64, id string, attempt uint64) {
	s.tell(at, id, events.StateRunning, &events.TaskExited{Attempt: attempt, Pid: 100, Exit: &events.Exit{Known: true, Code: 1, LastLines: "no <device> & no hope"}})
	s.tell(at, id, events.StateWaiting, &events.RestartScheduled{
		Attempt: attempt + 1, DelayNs: delay * millisecond, UntilBootNs: kernelTime + (at+delay)*millisecond, Reason: "exited with code 1",
	})
}

// five is a small machine: a disk that comes late, a service that fails twice, and one that is not up.
func five() []events.Record {
	s := newStory()
	s.load(4, "ext-iscsid", false, "service:containerd", "path:/sys/class/iscsi_host")
	s.load(4, "ext-agent", true, "service:containerd", "service:ext-storage", "network:connectivity")
	s.load(5, "ext-storage", false, "service:containerd", "service:ext-iscsid")
	s.load(5, "ext-tuned", false, "service:containerd")
	s.load(5, "ext-vpn", false, "service:containerd", "configuration:vpn")
	s.tell(240, "containerd", events.StateRunning, &events.RuntimeConnected{Address: "/run/c.sock", Version: "v2"})

	for _, id := range []string{"ext-iscsid", "ext-agent", "ext-storage", "ext-tuned", "ext-vpn"} {
		s.observe(241, id, "service:containerd", true)
	}

	s.start(242, 130, "ext-tuned", 1)
	s.observe(910, "ext-iscsid", "path:/sys/class/iscsi_host", true)
	s.start(911, 160, "ext-iscsid", 1)
	s.observe(1072, "ext-storage", "service:ext-iscsid", true)
	s.start(1072, 90, "ext-storage", 1)
	s.fail(1210, 100, "ext-storage", 1)
	s.start(1310, 85, "ext-storage", 2)
	s.fail(1440, 200, "ext-storage", 2)
	s.observe(1500, "ext-agent", "network:connectivity", true)
	s.start(1640, 88, "ext-storage", 3)
	s.observe(1729, "ext-agent", "service:ext-storage", true)
	s.start(1730, 120, "ext-agent", 1)
	s.tell(2350, "ext-agent", events.StateRunning, &events.HealthChanged{Healthy: true})
	s.tell(2400, "ext-tuned", events.StateRunning, &events.TaskExited{Attempt: 1, Pid: 100, Exit: &events.Exit{Known: true}})
	s.tell(2400, "ext-tuned", events.StateFinished, &events.ServiceFinished{})

	return s.records
}

// many is a machine with so many services, whose dependencies and times the seed decides.
func many(services int, seed uint64) []events.Record {
	random := rand.New(rand.NewPCG(seed, 1))
	words := strings.Fields("agent bird cache dns exporter frr gateway iscsid kea lldpd metrics nut ovs proxy qemu registry storage tuned usbip vpn")
	s := newStory()
	s.tell(200, "containerd", events.StateRunning, &events.RuntimeConnected{Address: "/run/c.sock", Version: "v2"})

	conditions := map[string]int64{
		"network:addresses": 900, "network:connectivity": 1400, "time": 2600, "path:/dev/zfs": 700, "path:/dev/net/tun": 350, "configuration:site": 3100,
	}
	keys := []string{"network:addresses", "network:connectivity", "time", "path:/dev/zfs", "path:/dev/net/tun", "configuration:site"}
	up := map[string]int64{"service:containerd": 200}

	for i := range services {
		id := fmt.Sprintf("ext-%s-%03d", words[random.IntN(len(words))], i)
		depends := []string{"service:containerd"}
		ready := int64(200)

		if random.IntN(3) == 0 {
			depends = append(depends, keys[random.IntN(len(keys))])
			ready = max(ready, conditions[depends[1]])
		}

		for range random.IntN(3) {
			other := s.any(random.IntN(services))
			if other != "" && up["service:"+other] != 0 {
				depends = append(depends, "service:"+other)
				ready = max(ready, up["service:"+other])
			}
		}

		s.load(5, id, false, depends...)

		for _, key := range depends {
			s.observe(max(up[key], conditions[key])+1, id, key, true)
		}

		took := int64(60 + random.IntN(250))
		s.start(ready+2, took, id, 1)

		if random.IntN(15) == 0 {
			s.fail(ready+took+30, 100, id, 1)
			s.start(ready+took+130, took, id, 2)
		}

		if random.IntN(40) == 0 {
			s.tell(ready+2*took+200, id, events.StateFailed, &events.ServiceFailed{Reason: "exited with code 1"})
		} else {
			up["service:"+id] = ready + 2 + took
		}
	}

	return s.records
}

// any is the id of the record at about this place, if it is a service of a file.
func (s *story) any(place int) string {
	id := s.records[place%len(s.records)].Service
	if strings.HasPrefix(id, "ext-") {
		return id
	}

	return ""
}

// viewsOf folds records into the views of their services, sorted by id as status has them.
func viewsOf(records []events.Record) []events.View {
	var order []string

	views := map[string]events.View{}

	for _, record := range records {
		if record.Service == "" {
			continue
		}

		view, known := views[record.Service]
		if !known {
			view = events.NewView(record.Service)
			order = append(order, record.Service)
		}

		views[record.Service] = view.Apply(record)
	}

	all := make([]events.View, 0, len(order))
	for _, id := range order {
		all = append(all, views[id])
	}

	return all
}

// knot are services with everything that is wrong at once, and names and messages that want to break out.
func knot() []events.View {
	make := func(id, state, problem string, conditions ...events.ConditionView) events.View {
		view := events.NewView(id)
		view.State, view.Problem, view.Conditions = state, problem, conditions

		return view
	}
	unmet := func(key string) events.ConditionView { return events.ConditionView{Key: key, Known: true, Text: key} }
	met := func(key string) events.ConditionView {
		return events.ConditionView{Key: key, Known: true, Met: true, Text: key}
	}

	retry := make("ext-retry", events.StateWaiting, `exited with code 1: last line "</text><script>alert(1)</script>"`, met("service:containerd"))
	retry.NextRetry = 1

	sick := make("ext-sick", events.StateRunning, "", met("service:containerd"))
	sick.Health = events.Health{LastMessage: "no answer on port 80"}

	return []events.View{
		make("containerd", events.StateRunning, ""),
		make("ext-a", events.StateWaiting, "", met("service:containerd"), unmet("service:ext-c")),
		make("ext-b", events.StateWaiting, "", met("service:containerd"), unmet("service:ext-a")),
		make("ext-c", events.StateWaiting, "", met("service:containerd"), unmet("service:ext-b")),
		make("ext-self", events.StateWaiting, "", unmet("service:ext-self")),
		make("ext-lost", events.StateWaiting, "", unmet("service:ext-nobody"), unmet("network:addresses"), met("time")),
		make("ext-done", events.StateFinished, "", met("service:containerd")),
		make("ext-after", events.StateRunning, "", met("completed:ext-done"), met("path:/dev/\"zfs\"<&>")),
		make("ext-failed", events.StateFailed, "cannot start: no such file or directory", met("service:containerd"), met("service:ext-after")),
		retry, sick,
	}
}

// bootOf folds the records of one boot.
func bootOf(records []events.Record, bootID string, now int64) Boot {
	course := NewCourse(bootID)
	for _, record := range records {
		course.Add(record)
	}

	return course.End(now)
}
