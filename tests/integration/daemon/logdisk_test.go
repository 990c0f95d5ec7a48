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

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/oci/logs"
)

// logEnd is how many bytes of what a service printed are in its files, or were.
func (h *host) logEnd(id string) uint64 {
	h.t.Helper()

	end, err := logs.Cursor(logs.In(h.run), id)
	must(h.t, err)

	return end
}

// until polls what nothing announces.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()

	limit := time.After(patience)

	for look := time.NewTicker(10 * time.Millisecond); !done(); {
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// nextLogd waits for another logd than one that was killed.
func (h *host) nextLogd(killed int) (pid int) {
	h.t.Helper()

	until(h.t, "another logd", func() bool {
		pid = 0
		for found := range h.parts("logd") {
			pid = found
		}

		return pid != 0 && pid != killed
	})

	return pid
}

// checkConsecutive demands that each line is the number after that of the line before, and returns the last one.
func checkConsecutive(t testing.TB, log string) (last int) {
	t.Helper()

	for line := range strings.Lines(log) {
		if !strings.HasSuffix(line, "\n") {
			break // still being printed
		}

		number, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		must(t, err)

		if last != 0 && number != last+1 {
			t.Fatalf("line %d follows line %d", number, last)
		}

		last = number
	}

	return last
}

// logd may be killed as often as one likes: services print on, and no line is lost or doubled.
func TestLogdIsKilled(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("fast", "restart: always", "numbers")
	h.service("slow", "restart: always", "count")

	d := h.start()
	d.started(t, 0, "ext-fast")
	d.started(t, 0, "ext-slow")

	const kills = 5

	logd := h.part("logd")

	more := func() {
		before := h.logEnd("ext-fast")
		until(t, "more of the log", func() bool { return h.logEnd("ext-fast") > before })
	}

	for range kills {
		more()
		must(t, unix.Kill(logd, unix.SIGKILL))
		logd = h.nextLogd(logd)
	}

	more()

	// One that does not answer holds up services only once their FIFO is full, and only until it is gone.
	must(t, unix.Kill(logd, unix.SIGSTOP))

	fifo, err := unix.Open(filepath.Join(h.run, "logs", "fifo", "ext-fast"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	must(t, err)

	defer unix.Close(fifo)

	// Pages that are not full leave it unknown how many bytes a FIFO holds.
	full, same := 0, 0

	until(t, "a full FIFO", func() bool {
		waiting, err := unix.IoctlGetInt(fifo, unix.TIOCINQ)
		must(t, err)

		if waiting != full {
			full, same = waiting, 0
		}

		const enough = 20
		same++

		return waiting > 0 && same > enough
	})
	t.Logf("the service blocks with %d bytes in the FIFO", full)

	before := h.logEnd("ext-fast")
	must(t, unix.Kill(logd, unix.SIGKILL))
	until(t, "what did not fit into the FIFO", func() bool { return h.logEnd("ext-fast") > before+4<<20 })

	for _, id := range []string{"ext-fast", "ext-slow"} {
		if now := d.state(t, id, "Running"); now.GetRestarts() != 0 {
			t.Errorf("%s was restarted %d times", id, now.GetRestarts())
		}

		h.cli("service", id, "stop").done(t)

		log := h.cli("logs", id).done(t)
		if !strings.HasPrefix(log, "1\n") {
			log = afterFirstLine(log) // the oldest segment may begin within a line
		}

		last := checkConsecutive(t, log)
		t.Logf("%s: %d lines, the last %d MB are kept", id, last, len(log)/1e6)

		if id == "ext-slow" && !strings.HasPrefix(log, "1\n2\n3\n") {
			t.Errorf("the log of %s begins with %.20q", id, log)
		}
	}
}

// A full disk costs lines, which are counted: no service waits for it, or notices.
func TestLogDiskIsFull(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	disk := filepath.Join(h.run, "logs", "files")
	must(t, os.MkdirAll(h.run, 0o700))
	mountTmpfs(t, disk, "size=1m,mode=700", 0)
	h.service("fast", "restart: always", "numbers")
	h.service("slow", "restart: always\ndepends: [{path: "+h.dir+"/gate}]", "count")

	d := h.start()
	d.started(t, 0, "ext-fast")

	// The disk is smaller than what is kept of a log: its own oldest lines give way, and nothing is missing in between.
	before := h.logEnd("ext-fast")
	until(t, "more than the disk holds", func() bool { return h.logEnd("ext-fast") > before+16<<20 })
	h.cli("service", "fast", "stop").done(t)
	checkConsecutive(t, afterFirstLine(h.cli("logs", "fast").done(t)))

	// Now it is full of what is not a log.
	filler := filepath.Join(disk, "filler")
	must(t, os.WriteFile(filepath.Join(h.dir, "gate"), nil, 0o644))
	h.printed("ext-slow", "10")

	// Nobody takes the lines but logd, which throws them away, and which gives up the other log first.
	discards := func(more uint64) {
		before := lossesOf(t, disk, "ext-slow")
		until(t, "discarded bytes", func() bool {
			fillUp(t, filler)

			return lossesOf(t, disk, "ext-slow") > before+more
		})
	}

	discards(100)

	logd := h.part("logd")
	must(t, unix.Kill(logd, unix.SIGKILL))
	h.nextLogd(logd)
	discards(1000)
	must(t, os.Remove(filler))

	followed := h.background("logs", "-f", "slow")
	followed.lines.await(t, "a notice", func(line string) bool { return noticePattern.MatchString(line + "\n") })
	must(t, unix.Kill(h.nextLogd(0), unix.SIGKILL))

	if now := d.state(t, "ext-slow", "Running"); now.GetRestarts() != 0 {
		t.Errorf("the service was restarted %d times", now.GetRestarts())
	}

	h.cli("service", "slow", "stop").done(t)
	followed.interrupt()
	checkCounted(t, h.cli("logs", "slow").done(t))

	h.end(unix.SIGTERM)
	must(t, unix.Unmount(disk, 0))
}

func afterFirstLine(log string) string {
	_, rest, _ := strings.Cut(log, "\n")

	return rest
}

// lossesOf is the count of discarded bytes that a log does not tell yet.
func lossesOf(t testing.TB, disk, id string) (bytes uint64) {
	t.Helper()

	content, err := os.ReadFile(filepath.Join(disk, id, "losses"))
	must(t, err)

	for index := 7; index >= 0; index-- {
		bytes = bytes<<8 | uint64(content[index])
	}

	return bytes
}

var noticePattern = regexp.MustCompile(`extactor: (\d+)(?: to (\d+))? bytes of this log could not be written and are lost\n`)

// checkCounted demands that what is there of 1, 2, 3, ... and what the notices say is lost are all that was printed.
func checkCounted(t testing.TB, log string) {
	t.Helper()

	const enough = 100_000

	var whole strings.Builder
	for line := 1; line < enough; line++ {
		fmt.Fprintln(&whole, line)
	}

	notices := noticePattern.FindAllStringSubmatchIndex(log, -1)
	if len(notices) == 0 {
		t.Error("there is no notice")
	}

	// Where in the whole the log may go on: after a notice that follows a line which was cut, and thus got an end that
	// the service did not print, there are two places.
	places, begin := []int{0}, 0

	for _, notice := range notices {
		places = follow(whole.String(), log[begin:notice[0]], places)
		low, _ := strconv.Atoi(log[notice[2]:notice[3]])
		high := low

		if notice[4] >= 0 {
			high, _ = strconv.Atoi(log[notice[4]:notice[5]])
		}

		t.Logf("%d to %d bytes are said to be lost", low, high)

		before := places
		places = nil

		for _, place := range before {
			for lost := low; lost <= high; lost++ {
				places = append(places, place+lost)
			}
		}

		begin = notice[1]
	}

	if len(follow(whole.String(), log[begin:], places)) == 0 {
		t.Errorf("what is said to be lost is not what is missing in:\n%s", log)
	}
}

// follow returns the places in the whole behind a part that begins at one of the places.
func follow(whole, part string, places []int) (behind []int) {
	for _, place := range places {
		rest := whole[min(place, len(whole)):]
		if strings.HasPrefix(rest, part) {
			behind = append(behind, place+len(part))
		}

		if cut, found := strings.CutSuffix(part, "\n"); found && strings.HasPrefix(rest, cut) {
			behind = append(behind, place+len(cut))
		}
	}

	return behind
}

// fillUp takes the room that has come back.
func fillUp(t testing.TB, path string) {
	t.Helper()

	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	must(t, err)

	defer file.Close()

	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
}

// Services that print as fast as they can are bounded in memory and on disk, and do not starve those that print little,
// whoever reads along, and however slowly.
func TestLoudServices(t *testing.T) {
	t.Parallel()

	h := newHost(t)

	const loud = 3

	for index := range loud {
		h.service(fmt.Sprintf("loud%d", index), "restart: always", "numbers")
	}

	h.service("flood", "restart: always", "flood")
	h.service("quiet", "restart: always", "count")

	d := h.start()
	ids := []string{"ext-flood", "ext-loud0", "ext-loud1", "ext-loud2", "ext-quiet"}

	for _, id := range ids {
		d.started(t, 0, id)
	}

	quiet := h.background("logs", "-f", "quiet")
	fast := h.background("logs", "-f", "--tail", "0", "loud0")
	slow := h.background("logs", "-f", "flood")
	must(t, unix.Kill(slow.command.Process.Pid, unix.SIGSTOP)) // it never reads

	ends := func() (ends []uint64) {
		for _, id := range ids {
			ends = append(ends, h.logEnd(id))
		}

		return ends
	}

	begin, first, before := time.Now(), ends(), d.usage(t)

	const much = 400 << 20

	until(t, "much output, and some of everybody", func() bool {
		sum, silent := uint64(0), false

		for index, end := range ends() {
			sum += end - first[index]
			silent = silent || end == first[index]
		}

		return sum > much && !silent
	})

	took, now, during := time.Since(begin), ends(), d.usage(t)
	logd := residentBytes(t, h.part("logd"))

	for index, id := range ids {
		t.Logf("%s printed %.1f MB/s", id, float64(now[index]-first[index])/1e6/took.Seconds())
	}

	t.Logf("RSS of the daemon %.1f MiB, before %.1f; of logd %.1f MiB",
		mebibytes(during.GetResidentBytes()), mebibytes(before.GetResidentBytes()), mebibytes(logd))

	const most = 64 << 20
	if during.GetResidentBytes() > before.GetResidentBytes()+most || logd > most {
		t.Error("that is more than it may be")
	}

	// Three segments of 10 MiB each, with as much of an index at most; one more while the oldest is deleted.
	const bound = 2 * 4 * 10 << 20

	for _, id := range ids {
		if used := diskUsage(t, filepath.Join(h.run, "logs", "files", id)); used > bound {
			t.Errorf("the log of %s takes %d bytes", id, used)
		}
	}

	// Whoever reads fast enough misses nothing; what the slow one missed costs nobody anything.
	quiet.awaitLines(t, 2)
	fast.awaitLines(t, 1)
	quiet.interrupt()
	fast.interrupt()

	lines, _, _ := quiet.lines.all()
	lines = lines[:len(lines)-1] // the interruption may have cut the last one

	if last := checkConsecutive(t, strings.Join(lines, "\n")+"\n"); last != len(lines) {
		t.Errorf("of %d lines the follower saw %d", last, len(lines))
	}
}

// residentBytes is what a process has in memory.
func residentBytes(t testing.TB, pid int) uint64 {
	t.Helper()

	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	must(t, err)

	pages, err := strconv.ParseUint(strings.Fields(string(status))[1], 10, 64)
	must(t, err)

	return pages * uint64(os.Getpagesize())
}

// diskUsage is what the files of a directory take.
func diskUsage(t testing.TB, directory string) (bytes int64) {
	t.Helper()

	entries, err := os.ReadDir(directory)
	must(t, err)

	for _, entry := range entries {
		if info, err := entry.Info(); err == nil { // else deleted meanwhile
			bytes += info.Size()
		}
	}

	return bytes
}

// The last words of a service that ends with the daemon are kept, though logd is dead and cannot be started.
func TestLastWordsWithoutLogd(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.program = filepath.Join(h.dir, "extactor")
	shim := "containerd-shim-extactor-v2"

	must(t, copyProgram(extactor, h.program))
	must(t, copyProgram(filepath.Join(filepath.Dir(extactor), shim), filepath.Join(h.dir, shim)))
	h.service("talker", "restart: always", "print", "ready", "farewell", "last words")

	d := h.start()
	d.started(t, 0, "ext-talker")
	h.printed("ext-talker", "ready")

	must(t, os.Rename(h.program, h.program+".away"))
	must(t, unix.Kill(h.nextLogd(0), unix.SIGKILL))
	d.line(t, "cannot start logd")

	h.end(unix.SIGTERM)
	if left := h.leftovers(); len(left) > 0 {
		t.Errorf("left behind:\n%s", list(left))
	}

	must(t, os.Rename(h.program+".away", h.program))
	h.start()

	if log := h.cli("logs", "talker").done(t); !strings.HasPrefix(log, "ready\nlast words\n") {
		t.Errorf("the log is %q", log)
	}
}
