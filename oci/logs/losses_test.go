package logs

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fillDisk takes all the room there is, and returns how to give it back.
func fillDisk(t *testing.T, dir Dir) (free func()) {
	t.Helper()
	filler := filepath.Join(run(dir), "filler")
	file, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	file.Close()
	return func() {
		t.Helper()
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitLog waits until the log has what is wanted.
func awaitLog(t *testing.T, dir Dir, id, what string, has func(log string) bool) {
	t.Helper()
	reader, err := follow(deadline(t), dir, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var log []byte
	for buffer := make([]byte, 4096); !has(string(log)); {
		n, err := reader.Read(buffer)
		if err != nil {
			t.Fatalf("the log has no %s: %v; it is %q", what, err, log)
		}
		log = append(log, buffer[:n]...)
	}
}

// What was discarded is counted whatever happens to logd, and told as soon as there is room, to a service too that
// prints nothing any more.
func TestCountOfLossesOutlivesLogd(t *testing.T) {
	dir := newSmallDisk(t)
	hold(t, dir, testID)
	logd := startLogd(t, dir, 10<<20, 3)
	service := openService(t, dir, testID)
	if _, err := io.WriteString(service, "first\n"); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, testID)
	free := fillDisk(t, dir)
	const rounds, lines, width = 5, 10_000, 50
	for round := range rounds {
		if err := printNumbers(service, round*lines, lines, width); err != nil {
			t.Fatal(err)
		}
		drained(t, dir, testID)
		logd.kill()
		if round < rounds-1 {
			logd = startLogd(t, dir, 10<<20, 3)
		}
	}
	kept, err := Cursor(dir, testID)
	if err != nil {
		t.Fatal(err)
	}
	free()
	startLogd(t, dir, 10<<20, 3)
	lost := len("first\n") + rounds*lines*width - int(kept)
	want := fmt.Sprintf("extactor: %d bytes of this log could not be written and are lost\n", lost)
	awaitLog(t, dir, testID, want, func(log string) bool { return strings.HasSuffix(log, want) })
}

// A logd that is killed within a discard leaves some bytes in doubt, and says so.
func TestLogdKilledWhileItDiscards(t *testing.T) {
	dir := newSmallDisk(t)
	hold(t, dir, testID)
	const kills, width = 20, 100
	logd := startLogd(t, dir, 10<<20, 3)
	free := fillDisk(t, dir)
	stdin, enough := pipe(t)
	told, stdout := pipe(t)
	service := startChild(t, "endless", stdin, stdout, dir.FIFO(testID), width)
	stdout.Close()
	discarded := func() uint64 {
		content, err := os.ReadFile(filepath.Join(dir.segments(testID), "losses"))
		if err != nil {
			t.Fatal(err)
		}
		var record lossRecord
		if _, err := binary.Decode(content, binary.LittleEndian, &record); err != nil {
			t.Fatal(err)
		}
		return record.Lost.Bytes + record.Told.Bytes
	}
	for killed := range kills {
		limit := time.After(30 * time.Second)
		for target := discarded() + uint64(killed%5)*1_000_000 + 1; discarded() < target; {
			select {
			case <-service.ended:
				t.Fatalf("the service ended: %v: %s", service.err, service.stderr.String())
			case <-limit:
				t.Fatal("logd discards nothing")
			default:
			}
		}
		logd.kill()
		logd = startLogd(t, dir, 10<<20, 3)
	}
	// Only then there is room, or the service would fill it again.
	enough.Close()
	service.finish(t)
	drained(t, dir, testID)
	free()
	var lines int
	if _, err := fmt.Fscan(told, &lines); err != nil {
		t.Fatal(err)
	}
	notice := "could not be written and are lost\n"
	awaitLog(t, dir, testID, notice, func(log string) bool { return strings.Contains(log, notice) })
	logd.kill()

	start, _, err := bounds(dir.segments(testID))
	if err != nil {
		t.Fatal(err)
	}
	least, most, own := start, start, 0 // what a full disk made logd delete is counted by the cursor
	for line := range strings.Lines(readAll(t, dir, 0)) {
		var low, high uint64
		switch n, _ := fmt.Sscanf(line, "extactor: %d to %d bytes of this log", &low, &high); n {
		case 2:
		case 1:
			high = low
		default:
			own += len(line)
			continue
		}
		least, most = least+low, most+high
	}
	// A line that was cut by a notice has got an end of its own for each.
	cuts := uint64(strings.Count(readAll(t, dir, 0), "extactor: "))
	total := uint64(lines * width)
	if got := uint64(own); got+least > total+cuts || got+most < total {
		t.Fatalf("of %d bytes %d are there and %d to %d are said to be lost", total, got, least, most)
	}
	t.Logf("%d kills, %d bytes printed, %d kept, %d to %d said to be lost", kills, total, own, least, most)
}

// The next logd goes on with a notice of which the one before wrote a part only.
func TestNoticeIsFinished(t *testing.T) {
	whole := "\nextactor: 70 to 75 bytes of this log could not be written and are lost\n"
	for _, written := range []int{0, 1, 10, len(whole) - 1, len(whole)} {
		dir := newLog(t)
		writeSegments(t, dir, 0, "unfinished"+whole[:written])
		record := lossRecord{
			Lost: lossCount{Bytes: 5}, Told: lossCount{Bytes: 70, Doubt: 5}, At: uint64(len("unfinished")), Break: true,
		}
		content, err := binary.Append(nil, binary.LittleEndian, record)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir.segments(testID), "losses"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		startLogd(t, dir, 1<<20, 3).kill() // may or may not have come to it
		logd := startLogd(t, dir, 1<<20, 3)
		want := "unfinished" + whole + "extactor: 5 bytes of this log could not be written and are lost\n"
		awaitLog(t, dir, testID, want, func(log string) bool { return len(log) >= len(want) })
		if err := logd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		logd.finish(t)
		if got := readAll(t, dir, 0); got != want {
			t.Errorf("after %d bytes of the notice the log is %q, want %q", written, got, want)
		}
	}
}

// A service that prints a few bytes at a time does not make its index grow for ever.
func TestIndexIsBounded(t *testing.T) {
	dir := newLog(t)
	const size = 1600
	options := &Options{Dir: dir, SegmentSize: size, Segments: 3}
	s, err := newStream(options, testID)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	service := openService(t, dir, testID)
	const bytesPrinted = 1000 // less than a segment has room for, at a record each
	for range bytesPrinted {
		if _, err := service.WriteString("."); err != nil {
			t.Fatal(err)
		}
		s.index.last = time.Time{} // as if a millisecond had passed
		if err := s.move(); err != nil {
			t.Fatal(err)
		}
	}
	segments, err := listSegments(dir.segments(testID))
	if err != nil || len(segments) != options.Segments {
		t.Fatalf("there are %d segments: %v", len(segments), err)
	}
	for _, segment := range segments {
		index, err := os.Stat(segment.indexPath())
		if err != nil {
			t.Fatal(err)
		}
		if index.Size() > size+indexRecord {
			t.Errorf("an index of %d bytes", index.Size())
		}
	}
	if end := s.end(); end != bytesPrinted {
		t.Errorf("the log ends at %d", end)
	}
}

// Nothing of a log is lost where several services print as fast as they can; nobody waits for the others for ever.
func TestLoudServicesDoNotStarveQuietOnes(t *testing.T) {
	dir := newLog(t)
	logd := startLogd(t, dir, 1<<20, 3)
	const loud, rounds, width = 4, 200, 4000
	for index := range loud {
		id := fmt.Sprintf("ext-loud%d", index)
		if err := Create(dir, id); err != nil {
			t.Fatal(err)
		}
		hold(t, dir, id)
		stdin, _ := pipe(t)
		startChild(t, "endless", stdin, nil, dir.FIFO(id), width)
	}
	service := openService(t, dir, testID)
	reader, err := follow(deadline(t), dir, testID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	lines := bufio.NewScanner(reader)
	for index := range loud {
		awaitLog(t, dir, fmt.Sprintf("ext-loud%d", index), "line", func(log string) bool { return len(log) > 0 })
	}
	before := loudBytes(t, dir, loud)
	silent := func() bool {
		for index, end := range loudBytes(t, dir, loud) {
			if end == before[index] {
				return true
			}
		}
		return false
	}
	printed := 0
	for round := 0; round < rounds || silent(); round++ {
		printed++
		if err := printNumbers(service, round, 1, 10); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || lines.Text() != fmt.Sprintf("%09d", round) {
			t.Fatalf("line %d is %q: %v", round, lines.Text(), lines.Err())
		}
	}
	after := loudBytes(t, dir, loud)
	var sum, least uint64
	for index := range after {
		moved := after[index] - before[index]
		sum += moved
		if index == 0 || moved < least {
			least = moved
		}
	}
	resident := residentBytes(t, logd.Process.Pid)
	t.Logf("%d lines among %d MB of %d loud services, the one that got least got %d MB; logd has %.1f MiB",
		printed, sum/1e6, loud, least/1e6, float64(resident)/(1<<20))
	if least == 0 {
		t.Error("a loud service got nothing")
	}
	for index := range loud {
		segments, err := listSegments(dir.segments(fmt.Sprintf("ext-loud%d", index)))
		if err != nil {
			t.Fatal(err)
		}
		if used := usage(segments); used > 5<<20 {
			t.Errorf("the files of a service have %d bytes", used)
		}
	}
}

func loudBytes(t *testing.T, dir Dir, loud int) (ends []uint64) {
	t.Helper()
	for index := range loud {
		end, err := Cursor(dir, fmt.Sprintf("ext-loud%d", index))
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	return ends
}

func residentBytes(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(status, []byte("VmRSS:"))
	var kilobytes int
	if _, err := fmt.Sscan(string(after), &kilobytes); err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}
