package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	fleetSize = 50
	// The daemon gives memory back 5 s after it is ready.
	settled = 6 * time.Second
	window  = 5 * time.Second
	// mostMemory is what an idle daemon with that fleet may use.
	mostMemory = 50 << 20
)

// Fifty services run, and cost nothing while nothing happens. Nothing else runs meanwhile: the figures are printed.
func TestFleet(t *testing.T) {
	h := newHost(t)
	for index := range fleetSize {
		h.service(fmt.Sprintf("member%d", index), "restart: always", "serve")
	}

	begin := time.Now()
	d := h.start()

	for index := range fleetSize {
		d.started(t, 0, fmt.Sprintf("ext-member%d", index))
	}

	t.Logf("%d services run %v after the start of the daemon", fleetSize, time.Since(begin).Round(time.Millisecond))

	if running := regexp.MustCompile(`(?m)^ext-member\d+ +Running `).FindAllString(h.cli("status").done(t), -1); len(running) != fleetSize {
		t.Errorf("%d services run", len(running))
	}

	// The one place where time itself is measured.
	<-time.After(settled)

	before := h.processorTicks()

	<-time.After(window)

	used := h.processorTicks() - before
	memory := h.memory()

	t.Logf("idle: RSS %.1f MiB, %d ticks of processor time in %v", float64(memory)/(1<<20), used, window)

	if memory > mostMemory {
		t.Errorf("RSS is %d bytes, more than %d", memory, mostMemory)
	}

	// One tick is 10 ms. A process that polls takes more than 5 % of one processor where others keep it busy; one whose pages
	// come back from the disk takes less.
	if most := 5 * int(window/time.Second); used > most {
		t.Errorf("%d ticks of processor time, more than %d", used, most)
	}
}

// memory is what the daemon has in memory, in bytes.
func (h *host) memory() int {
	h.t.Helper()

	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(h.daemon.pid), "status"))
	must(h.t, err)

	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(after)[0])
	must(h.t, err)

	return kilobytes << 10
}

// processorTicks is the processor time of the daemon so far, in ticks of 10 ms.
func (h *host) processorTicks() int {
	h.t.Helper()

	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(h.daemon.pid), "stat"))
	must(h.t, err)

	// The fields after the name, which may contain anything: state is the first, utime and stime the 12th and 13th.
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	user, err := strconv.Atoi(fields[11])
	must(h.t, err)

	system, err := strconv.Atoi(fields[12])
	must(h.t, err)

	return user + system
}
