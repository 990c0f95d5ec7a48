package replay

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
)

// machine is one that never was: services with dependencies, which the real state machine leads through boots, crashes,
// restarts and stops in a time that takes none. The same seed gives the same records.
type machine struct {
	random   *rand.Rand
	records  []events.Record
	enough   int // records
	services map[string]*simulated
	order    []string
	met      map[string]bool
	due      queue
	wall     int64
	boot     int64
	bootID   string
	runID    string
}

// simulated is one service of the machine.
type simulated struct {
	state     service.State
	lifecycle *events.Lifecycle
	crashes   float64 // how likely it is that a task ends badly
	runs      int64   // how long a task runs, nanoseconds; 0: as long as it may
	up        bool
}

const oneSecond = int64(1e9)

var names = strings.Fields("agent bird cache dns exporter frr gateway iscsid kea lldpd metrics nut ovs proxy qemu registry storage tuned usbip vpn")

// newMachine makes a machine with so many services, which live until there are so many records.
func newMachine(services, records int, seed uint64) *machine {
	m := &machine{
		random: rand.New(rand.NewPCG(seed, 7)), enough: records, services: map[string]*simulated{}, met: map[string]bool{},
		wall: 1_795_420_800 * oneSecond, // 2026-11-23T08:00:00Z
	}
	conditions := []string{"network:addresses", "network:connectivity", "time", "path:/dev/zfs", "path:/dev/net/tun", "configuration:site"}

	for i := range services {
		id := "ext-" + names[i%len(names)]
		if i >= len(names) {
			id += fmt.Sprintf("-%d", i/len(names)+1)
		}

		depends := []string{"service:containerd"}
		if len(m.order) > 0 && m.random.IntN(3) > 0 {
			depends = append(depends, "service:"+m.order[m.random.IntN(len(m.order))])
		}

		for range m.random.IntN(3) {
			if key := conditions[m.random.IntN(len(conditions))]; !strings.Contains(strings.Join(depends, " "), key) {
				depends = append(depends, key)
			}
		}

		one := &simulated{lifecycle: &events.Lifecycle{
			Restart: "always", Depends: depends, StopSignal: "SIGTERM", StopTimeoutNs: 10 * oneSecond, BackoffInitialNs: oneSecond / 10,
			BackoffMaxNs: 30 * oneSecond, BackoffResetNs: 60 * oneSecond, SpecHash: "v1:aa", Source: "/usr/local/etc/containers/" + id[4:] + ".yaml",
			HealthCheck: m.random.IntN(4) == 0, OnConfigChange: "restart",
		}}
		if m.random.IntN(5) == 0 {
			one.runs, one.crashes = int64(20+m.random.IntN(400))*oneSecond, 0.7
		}

		m.services[id] = one
		m.order = append(m.order, id)
	}

	for boot := 1; len(m.records) < m.enough; boot++ {
		m.begin(boot)

		until := m.enough * boot / 3
		for len(m.records) < until && len(m.due) > 0 {
			next := heap.Pop(&m.due).(step)
			m.wall, m.boot = m.wall+next.at-m.boot, next.at
			next.do()
		}

		m.wall += 300 * oneSecond
	}

	return m
}

// begin boots.
func (m *machine) begin(number int) {
	m.boot, m.bootID, m.runID = 4*oneSecond, fmt.Sprintf("%08d-93c2-4227-a0d3-4d9a78757244", number), fmt.Sprintf("run-%d", number)
	m.due, m.met = nil, map[string]bool{}
	m.note("", "", &events.DaemonStarted{Version: "v1.0.0", BootId: m.bootID, Pid: 400})
	m.note("containerd", events.StateWaiting, &events.RuntimeDisconnected{Problem: "not connected yet"})

	for _, id := range m.order {
		one := m.services[id]
		one.up = false

		if one.state.ID == "" {
			one.state = service.New(id)
		}

		m.take(id, 1, &events.LoadSpec{Lifecycle: one.lifecycle, BootId: m.bootID})

		for _, key := range one.lifecycle.GetDepends() {
			m.observe(id, key, 0)
		}
	}

	m.after(oneSecond/4, func() {
		m.note("containerd", events.StateRunning, &events.RuntimeConnected{Address: "/run/containerd.sock", Version: "v2.4.2"})
		m.turn("service:containerd", true, m.last())
	})

	for i, key := range []string{"network:addresses", "network:connectivity", "time", "path:/dev/zfs", "path:/dev/net/tun"} {
		m.after(int64(300+i*450+m.random.IntN(400))*oneSecond/1000, func() { m.turn(key, true, 0) })
	}

	m.after(40*oneSecond, func() { m.turn("configuration:site", true, 0) })
	m.disturb()
}

// disturb has something happen from outside now and then.
func (m *machine) disturb() {
	m.after(int64(60+m.random.IntN(900))*oneSecond, func() {
		id := m.order[m.random.IntN(len(m.order))]

		switch m.random.IntN(5) {
		case 0:
			m.take(id, 0, &events.RestartService{})
		case 1:
			m.take(id, 0, &events.StopService{})
			m.after(30*oneSecond, func() { m.take(id, 0, &events.StartService{}) })
		case 2:
			m.turn("network:connectivity", false, 0)
			m.after(5*oneSecond, func() { m.turn("network:connectivity", true, 0) })
		case 3:
			m.exit(id, m.services[id].state.Attempt, 137)
		default:
			m.note("", "", &events.SpecRejected{File: "/usr/local/etc/containers/new.yaml", Problems: []string{fmt.Sprint(m.random.IntN(20), ":3")}})
		}

		m.disturb()
	})
}

func (m *machine) last() uint64 { return uint64(len(m.records)) }

func (m *machine) after(pause int64, do func()) {
	heap.Push(&m.due, step{at: m.boot + pause, number: len(m.records)*1000 + len(m.due), do: do})
}

func (m *machine) note(id, state string, fact events.Fact) {
	event := events.New(fact)
	m.append(events.Decision{Service: id, Entries: []events.Entry{{Event: event, State: state, Message: events.Text(id, event)}}})
}

// append lays a decision out as the journal does.
func (m *machine) append(decision events.Decision) {
	first := m.last() + 1
	base := events.Record{
		Instance: "3b6b6f2e", BootID: m.bootID, RunID: m.runID, Service: decision.Service, WallNS: m.wall, BootNS: m.boot, Cause: decision.Cause,
		Decision: first, Origin: decision.Origin,
	}

	if decision.Command != nil {
		record := base
		record.Seq, record.Kind, record.Command = m.last()+1, decision.Command.KindName(), decision.Command
		m.records = append(m.records, record)
	}

	for _, entry := range decision.Entries {
		record := base
		record.Seq, record.Kind, record.Event = m.last()+1, entry.Event.KindName(), entry.Event
		record.State, record.Attempt, record.Message = entry.State, entry.Attempt, entry.Message
		m.records = append(m.records, record)
	}
}

func (m *machine) take(id string, cause uint64, order events.Order) {
	one := m.services[id]
	command := events.NewCommand(&events.Instant{WallNs: m.wall, BootNs: m.boot}, &events.Origin{Via: "cli", Uid: 0, Pid: 812}, order)

	taken, err := service.Take(one.state, command, cause)
	if err != nil || len(taken.Decision.Entries) == 0 {
		return
	}

	m.append(taken.Decision)
	one.state = taken.State
	last := m.last()

	for i, effect := range taken.Effects {
		m.carryOut(id, last-uint64(len(taken.Decision.Entries)-1-taken.Sources[i]), effect)
	}

	if up := one.state.Name == events.StateRunning && (!one.lifecycle.GetHealthCheck() || one.state.Healthy); up != one.up {
		one.up = up
		m.turn("service:"+id, up, last)
	}
}

// turn tells everybody that a condition is another.
func (m *machine) turn(key string, met bool, cause uint64) {
	m.met[key] = met

	for _, id := range m.order {
		if strings.Contains(strings.Join(m.services[id].lifecycle.GetDepends(), "\n")+"\n", key+"\n") {
			m.observe(id, key, cause)
		}
	}
}

func (m *machine) observe(id, key string, cause uint64) {
	kind, name, _ := strings.Cut(key, ":")

	text := key
	switch kind {
	case "service":
		text = fmt.Sprintf("service %q to be %q", name, "up")
	case "path":
		text = fmt.Sprintf("file %q to exist", name)
	}

	m.take(id, cause, &events.ObserveCondition{Key: key, Met: m.met[key], Text: text})
}

// carryOut has the world answer to an effect.
func (m *machine) carryOut(id string, cause uint64, effect service.Effect) {
	one := m.services[id]
	later := func(milliseconds int, do func()) { m.after(int64(milliseconds)*oneSecond/1000, do) }

	switch effect := effect.(type) {
	case service.PrepareTask:
		later(5+m.random.IntN(60), func() { m.take(id, cause, &events.ReportPrepared{Attempt: effect.Attempt}) })
	case service.StartTask:
		later(40+m.random.IntN(200), func() {
			m.take(id, cause, &events.ReportStarted{Attempt: effect.Attempt, Pid: uint32(1000 + len(m.records)%31000), Container: id, Rootfs: "r"})
		})
	case service.AwaitExit:
		if one.runs > 0 {
			m.after(one.runs/2+m.random.Int64N(one.runs), func() {
				code := int32(0)
				if m.random.Float64() < one.crashes {
					code = int32(1 + m.random.IntN(3))
				}

				m.exit(id, effect.Attempt, code)
			})
		}
	case service.SignalTask:
		later(50+m.random.IntN(400), func() { m.exit(id, effect.Attempt, 143) })
	case service.KillTask:
		later(10, func() { m.exit(id, effect.Attempt, 137) })
	case service.MonitorHealth:
		later(800, func() {
			m.take(id, cause, &events.ReportHealth{Attempt: effect.Attempt, Healthy: true, Message: "200 OK"})
		})
	case service.ArmTimer:
		m.after(max(effect.At-m.boot, 0), func() {
			m.take(id, cause, &events.ElapseTimer{Attempt: effect.Attempt, Timer: effect.Timer, Key: effect.Key})
		})
	}
}

func (m *machine) exit(id string, attempt uint64, code int32) {
	one := m.services[id]
	if one.state.PID == 0 || one.state.Attempt != attempt {
		return
	}

	exit := &events.Exit{Known: true, Code: code, At: &events.Instant{WallNs: m.wall, BootNs: m.boot}}
	if code > 128 {
		exit.Signal = code - 128
	} else if code > 0 {
		exit.LastLines = fmt.Sprintf("level=info msg=\"listening\" port=%d\nlevel=error msg=\"cannot open /dev/<%s>: no such device & no hope\" code=%d\n", 1024+m.random.IntN(2000), id, code)
	}

	m.take(id, 0, &events.ReportExited{Attempt: attempt, Exit: exit})
}

// step is something that is due at a moment of the boot clock.
type step struct {
	at     int64
	number int
	do     func()
}

type queue []step

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, k int) bool {
	return q[i].at < q[k].at || q[i].at == q[k].at && q[i].number < q[k].number
}

func (q queue) Swap(i, k int)   { q[i], q[k] = q[k], q[i] }
func (q *queue) Push(value any) { *q = append(*q, value.(step)) }

func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]

	return last
}
