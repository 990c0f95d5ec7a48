package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/cgroup"
	"github.com/extactor/extactor/oci/server"
)

// The kinds of processes that are killed.
const (
	daemonKind     = "daemon"
	containerdKind = "containerd"
	logdKind       = "logd"
	shimKind       = "shim"
)

var kinds = []string{daemonKind, containerdKind, logdKind, shimKind}

// attempt is one run of a service.
type attempt struct {
	id     string
	number uint64
}

// victim is a process that is about to be killed.
type victim struct {
	kind   string
	pid    int
	handle *os.File
	shimOf attempt
}

// campaign kills, and remembers whom, and how long it took until there was another one.
type campaign struct {
	host    *host
	records *follower
	random  *rand.Rand

	mu        sync.Mutex
	kills     map[string]int
	recovered map[string][]time.Duration
	pending   map[string]bool // there is none of this kind now
	problems  []string
	shimless  map[attempt]bool // attempts that lost their shim
	probes    sync.WaitGroup
}

func newCampaign(h *host, records *follower, seed uint64) *campaign {
	return &campaign{
		host: h, records: records, random: rand.New(rand.NewPCG(seed, 0)), kills: map[string]int{},
		recovered: map[string][]time.Duration{}, pending: map[string]bool{}, shimless: map[attempt]bool{},
	}
}

// strike kills one or more processes at the same moment and returns how many.
func (c *campaign) strike(ctx context.Context, most int) int {
	wanted := []string{kinds[c.random.IntN(len(kinds))]}

	for _, kind := range kinds { // two times out of five more than one
		if c.random.IntN(5) < 2 && c.random.IntN(2) == 0 {
			wanted = append(wanted, kind)
		}
	}

	victims := c.find(wanted)
	victims = victims[:min(len(victims), most)]

	c.mu.Lock()
	for _, victim := range victims { // before it is dead
		if victim.kind == shimKind {
			c.shimless[victim.shimOf] = true
		}
	}
	c.mu.Unlock()

	struck := 0

	for _, victim := range victims {
		if cgroup.Signal(victim.handle, unix.SIGKILL) == nil {
			struck++
			c.note(ctx, victim)
		}
	}

	for _, victim := range victims {
		victim.handle.Close()
	}

	return struck
}

// find opens the processes of the kinds; one that is just not there is left out.
func (c *campaign) find(wanted []string) []victim {
	var (
		found []victim
		shims []victim
	)

	for _, process := range c.host.processes() {
		switch kind, ours := c.kindOf(process); {
		case kind == shimKind:
			shims = append(shims, ours)
		case slices.Contains(wanted, kind):
			found = append(found, ours)
		}
	}

	for _, kind := range wanted { // as many as it was drawn
		if kind == shimKind && len(shims) > 0 {
			index := c.random.IntN(len(shims))
			found = append(found, shims[index])
			shims = slices.Delete(shims, index, index+1)
		}
	}

	opened := found[:0]

	for _, victim := range found {
		if handle, err := cgroup.Open(victim.pid); err == nil {
			victim.handle = handle
			opened = append(opened, victim)
		}
	}

	c.random.Shuffle(len(opened), func(i, j int) { opened[i], opened[j] = opened[j], opened[i] })

	return opened
}

// kindOf tells what a process is; the kind is empty for those that are not killed.
func (c *campaign) kindOf(process process) (string, victim) {
	named := func(kind string) (string, victim) { return kind, victim{kind: kind, pid: process.pid} }

	words := process.command
	if len(words) < 2 {
		return "", victim{}
	}

	switch {
	case words[0] == extactor && slices.Contains(kinds[:3], words[1]):
		return named(words[1])
	case filepath.Base(words[0]) != "containerd-shim-extactor-v2" || slices.Contains(words, "start") || slices.Contains(words, "delete"):
		return "", victim{}
	}

	// The bundle, in which a shim lives, says whose it is.
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(process.pid), "cwd", "config.json"))

	var bundle struct {
		Annotations map[string]string `json:"annotations"`
	}

	if err != nil || json.Unmarshal(content, &bundle) != nil {
		return "", victim{}
	}

	number, err := strconv.ParseUint(bundle.Annotations["io.extactor.attempt"], 10, 64)
	if err != nil {
		return "", victim{}
	}

	directory, _ := os.Readlink(filepath.Join("/proc", strconv.Itoa(process.pid), "cwd"))

	return shimKind, victim{kind: shimKind, pid: process.pid, shimOf: attempt{filepath.Base(directory), number}}
}

// note counts a kill and measures how long it takes until there is another one, or, for a shim, until a record says so.
func (c *campaign) note(ctx context.Context, victim victim) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.kills[victim.kind]++

	if victim.kind != shimKind && c.pending[victim.kind] {
		return
	}

	c.pending[victim.kind] = true
	elapsed := clock()

	c.probes.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()

		err := c.awaitAnother(ctx, victim)

		c.mu.Lock()
		defer c.mu.Unlock()

		c.pending[victim.kind] = false

		if err != nil {
			c.problems = append(c.problems, fmt.Sprintf("%s (PID %d) did not recover: %v", victim.kind, victim.pid, err))
		} else {
			c.recovered[victim.kind] = append(c.recovered[victim.kind], elapsed())
		}
	})
}

func (c *campaign) awaitAnother(ctx context.Context, victim victim) error {
	switch victim.kind {
	case daemonKind:
		return until(ctx, func() bool { return c.host.supervisor.pid() != victim.pid && c.host.answers(ctx) })
	case containerdKind:
		return until(ctx, func() bool { return c.host.containerdAnswers(victim.pid) })
	case logdKind:
		return until(ctx, func() bool { return c.host.logdReads(victim.pid) })
	default:
		looks := 0

		return until(ctx, func() bool {
			looks++

			return c.records.over(victim.shimOf) || looks%10 == 0 && c.anotherShim(victim)
		})
	}
}

// anotherShim tells whether there is one for the service. Where the first one was killed while it made the task, that
// belongs to the same attempt.
func (c *campaign) anotherShim(killed victim) bool {
	return slices.ContainsFunc(c.host.processes(), func(process process) bool {
		kind, found := c.kindOf(process)

		return kind == shimKind && found.shimOf == killed.shimOf && found.pid != killed.pid
	})
}

// containerdAnswers tells whether another one than that which was killed takes connections.
func (h *host) containerdAnswers(killed int) bool {
	pid, err := server.Holder(h.run)
	if err != nil || pid == 0 || pid == killed {
		return false
	}

	connection, err := net.Dial("unix", server.Address(h.run))
	if err != nil {
		return false
	}

	connection.Close()

	return true
}

// logdReads tells whether another one than that which was killed has the lock.
func (h *host) logdReads(killed int) bool {
	file, err := os.Open(filepath.Join(h.run, "logs", "fifo.lock"))
	if err != nil {
		return false
	}
	defer file.Close()

	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock)

	return err == nil && lock.Type != unix.F_UNLCK && int(lock.Pid) != killed
}

// pause waits until all is well again, or not, and then a little longer.
func (c *campaign) pause(ctx context.Context) {
	longest := 500 * time.Millisecond

	if c.random.IntN(2) == 0 {
		c.probes.Wait()

		longest = time.Second
	}

	select {
	case <-time.After(time.Duration(c.random.Int64N(int64(longest)))):
	case <-ctx.Done():
	}
}
