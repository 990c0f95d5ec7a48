package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fataler is a test, or one run of a property.
type fataler interface{ Fatal(...any) }

func readQuery(t fataler, dir Dir, query Query) string {
	reader, err := Read(context.Background(), dir, []string{testID}, query)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func afterNoon(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// writeTimes leaves records in the index of a segment: a cursor, and seconds after noon.
func writeTimes(dir Dir, base uint64, records ...[2]float64) {
	index := openIndex(segment{dir.segments(testID), base}.indexPath())
	defer index.close()
	for _, record := range records {
		index.add(uint64(record[0]), afterNoon(record[1]))
	}
}

// timedLog has lines from second 0 on, each 10 s later than the one before, the last one with the time of that before.
func timedLog(t testing.TB) Dir {
	dir := newLog(t)
	writeSegments(t, dir, 100, "one\ntwo\nthr", "ee\n", "four\n")
	writeTimes(dir, 100, [2]float64{100, 0},
		[2]float64{104, 9},                            // killed before it moved the bytes
		[2]float64{104, 10}, [2]float64{104, 10.0005}, // too close to be told apart
		[2]float64{108, 20})
	writeTimes(dir, 111, [2]float64{111, 30}) // in a line; the third segment has no index
	return dir
}

func TestLinesAreFoundByTimes(t *testing.T) {
	dir := timedLog(t)
	for _, row := range []struct {
		since, until float64 // seconds; 0: no limit
		tail         int
		want         string
	}{
		{0, 0, -1, "one two three four"},
		{-1, 0, -1, "one two three four"},
		{0.001, 0, -1, "two three four"},
		{10, 0, -1, "two three four"},
		{10.5, 0, -1, "three four"},
		{20, 0, -1, "three four"},
		{20.5, 0, -1, "three four"}, // which began before
		{30, 0, -1, "three four"},
		{30.5, 0, -1, ""},
		{0, -1, -1, ""},
		{0, 9.5, -1, "one"},
		{0, 10, -1, "one two"},
		{0, 20, -1, "one two three"}, // which ends later
		{0, 30, -1, "one two three four"},
		{0, 100, -1, "one two three four"},
		{5, 25, -1, "two three"},
		{5, 25, 1, "three"},
		{5, 25, 7, "two three"},
		{5, 25, 0, ""},
		{5, 0, 2, "three four"},
		{25, 5, -1, ""},
		{21, 29, -1, "three"},
	} {
		query := Query{Tail: row.tail}
		if row.since != 0 {
			query.Since = afterNoon(row.since)
		}
		if row.until != 0 {
			query.Until = afterNoon(row.until)
		}
		if got := strings.Join(strings.Fields(readQuery(t, dir, query)), " "); got != row.want {
			t.Errorf("from %v s to %v s, the last %d: %q, want %q", row.since, row.until, row.tail, got, row.want)
		}
	}
}

func TestLinesHaveTheTimeAtWhichTheyArrived(t *testing.T) {
	dir := timedLog(t)
	want := []string{
		"2026-11-23T12:00:00.000Z one\n", "2026-11-23T12:00:10.000Z two\n", "2026-11-23T12:00:20.000Z three\n", "2026-11-23T12:00:30.000Z four\n",
	}
	for n := range 5 {
		if got, want := readQuery(t, dir, Query{Tail: n, Timestamps: true}), strings.Join(want[4-n:], ""); got != want {
			t.Errorf("the last %d: %q, want %q", n, got, want)
		}
	}
}

// A service that ended within a line leaves one to the next run, whose first words are not kept back because of that.
func TestLineThatGoesOnIsShownAsAWhole(t *testing.T) {
	dir := newLog(t)
	writeSegments(t, dir, 0, "one\nkilled within a l", "the next run\nlast\n")
	writeTimes(dir, 0, [2]float64{0, 0})
	writeTimes(dir, 21, [2]float64{21, 60}, [2]float64{34, 70})
	for seconds, want := range map[float64]string{
		30: "2026-11-23T12:00:00.000Z killed within a lthe next run\n2026-11-23T12:01:10.000Z last\n",
		60: "2026-11-23T12:00:00.000Z killed within a lthe next run\n2026-11-23T12:01:10.000Z last\n",
		65: "2026-11-23T12:01:10.000Z last\n",
		75: "",
	} {
		if got := readQuery(t, dir, Query{Tail: -1, Since: afterNoon(seconds), Timestamps: true}); got != want {
			t.Errorf("since %v s: %q, want %q", seconds, got, want)
		}
	}
}

// What nobody knows the time of is shown, and says so.
func TestLinesOfUnknownTime(t *testing.T) {
	dir := newLog(t)
	writeSegments(t, dir, 0, "one\n", "two\n", "three\n")
	if got, want := readQuery(t, dir, Query{Tail: -1, Since: noon, Timestamps: true}), unknownTime+" one\n"+unknownTime+" two\n"+unknownTime+" three\n"; got != want {
		t.Errorf("without any index: %q, want %q", got, want)
	}
	if len(unknownTime) != len(timeFormat) {
		t.Errorf("times have %d bytes, unknown ones %d", len(timeFormat), len(unknownTime))
	}
	// Another one is torn: what is left of its only record is none.
	writeTimes(dir, 4, [2]float64{4, 10})
	if err := os.WriteFile(segment{dir.segments(testID), 8}.indexPath(), make([]byte, indexRecord-1), 0o600); err != nil {
		t.Fatal(err)
	}
	all := unknownTime + " one\n2026-11-23T12:00:10.000Z two\n2026-11-23T12:00:10.000Z three\n"
	for name, row := range map[string]struct {
		query Query
		want  string
	}{
		"all":                     {Query{Tail: -1}, all},
		"since one that is known": {Query{Tail: -1, Since: afterNoon(5)}, all[len(unknownTime)+len(" one\n"):]},
		"until one that is known": {Query{Tail: -1, Until: afterNoon(5)}, unknownTime + " one\n"},
		"the last":                {Query{Tail: 1}, "2026-11-23T12:00:10.000Z three\n"},
	} {
		row.query.Timestamps = true
		if got := readQuery(t, dir, row.query); got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

// Where the clock was set back, nothing is missing of what was asked for: it begins with the first line of that time, and ends
// with the last one.
func TestLinesOfAClockThatWasSetBack(t *testing.T) {
	dir := newLog(t)
	writeSegments(t, dir, 0, "at 0\nat 20\n", "at 5\nat 15\nat 30\n")
	writeTimes(dir, 0, [2]float64{0, 0}, [2]float64{5, 20})
	writeTimes(dir, 11, [2]float64{11, 5}, [2]float64{16, 15}, [2]float64{22, 30})
	for _, row := range []struct {
		since, until float64
		want         string
	}{
		{10, 0, "at 20\nat 5\nat 15\nat 30\n"},
		{25, 0, "at 30\n"},
		{0, 2, "at 0\n"},
		{0, 16, "at 0\nat 20\nat 5\nat 15\n"},
		{10, 17, "at 20\nat 5\nat 15\n"},
	} {
		query := Query{Tail: -1, Since: afterNoon(row.since)}
		if row.until != 0 {
			query.Until = afterNoon(row.until)
		}
		if got := readQuery(t, dir, query); got != row.want {
			t.Errorf("from %v s to %v s: %q, want %q", row.since, row.until, got, row.want)
		}
	}
}

// drawTimedLog leaves a random text that arrived in random pieces, in random segments of which the oldest may be gone. It
// returns what is kept, and when its bytes arrived: in milliseconds after noon.
func drawTimedLog(t *rapid.T, dir Dir) (text []byte, at []int) {
	base, text := drawLog(t, dir)
	segments, err := listSegments(dir.segments(testID))
	if err != nil {
		t.Fatal(err)
	}
	now := 0
	for number, segment := range segments {
		end := base + uint64(len(text))
		if number+1 < len(segments) {
			end = segments[number+1].base
		}
		index := openIndex(segment.indexPath())
		for cursor := segment.base; cursor < end; {
			index.last = time.Time{}
			index.add(cursor, noon.Add(time.Duration(now)*time.Millisecond))
			piece := rapid.IntRange(1, 5).Draw(t, "piece")
			for ; cursor < end && piece > 0; piece-- {
				at, cursor = append(at, now), cursor+1
			}
			now += rapid.SampledFrom([]int{0, 1, 7}).Draw(t, "pause")
		}
		index.close()
	}
	for gone := rapid.IntRange(0, len(segments)-1).Draw(t, "gone"); gone > 0; gone-- {
		if err := segments[0].remove(); err != nil {
			t.Fatal(err)
		}
		segments = segments[1:]
	}
	kept := segments[0].base - base
	return text[kept:], at[kept:]
}

func TestQueriesChooseLinesByTheirTimes(t *testing.T) {
	dir := newLog(t)
	rapid.Check(t, func(t *rapid.T) {
		text, at := drawTimedLog(t, dir)
		limit := func(name string) (milliseconds int, limit time.Time) {
			milliseconds = rapid.IntRange(-1, 40).Draw(t, name)
			return milliseconds, noon.Add(time.Duration(milliseconds) * time.Millisecond)
		}
		query := Query{Tail: rapid.IntRange(-1, 5).Draw(t, "tail"), Timestamps: rapid.Bool().Draw(t, "timestamps")}
		from, to := -1, 1<<30
		if rapid.Bool().Draw(t, "since") {
			from, query.Since = limit("from")
		}
		if rapid.Bool().Draw(t, "until") {
			to, query.Until = limit("to")
		}
		var lines []string
		cursor := 0
		for line := range bytes.Lines(text) {
			began, ended := at[cursor], at[cursor+len(line)-1]
			if cursor += len(line); ended < from || began > to {
				continue
			}
			stamp := ""
			if query.Timestamps {
				stamp = noon.Add(time.Duration(began) * time.Millisecond).Format("2006-01-02T15:04:05.000Z ")
			}
			lines = append(lines, stamp+string(line))
		}
		if query.Tail >= 0 {
			lines = lines[max(0, len(lines)-query.Tail):]
		}
		if got, want := readQuery(t, dir, query), strings.Join(lines, ""); got != want {
			t.Fatalf("%+v of %q, arrived at %v: %q, want %q", query, text, at, got, want)
		}
	})
}

func TestLogdRecordsWhenBytesArrive(t *testing.T) {
	dir := newLog(t)
	startLogd(t, dir, 30, 100)
	service := openService(t, dir, testID)
	before := time.Now()
	if err := printNumbers(service, 0, 100, 10); err != nil {
		t.Fatal(err)
	}
	drained(t, dir, testID)
	after := time.Now()
	all := readAll(t, dir, 0)
	for name, row := range map[string]struct {
		query Query
		want  string
	}{
		"from before":  {Query{Tail: -1, Since: before}, all},
		"from after":   {Query{Tail: -1, Since: after}, ""},
		"up to before": {Query{Tail: -1, Until: before.Add(-time.Millisecond)}, ""},
		"up to after":  {Query{Tail: -1, Until: after}, all},
	} {
		if got := readQuery(t, dir, row.query); got != row.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	segments, err := listSegments(dir.segments(testID))
	if err != nil || len(segments) < 30 {
		t.Fatalf("there are %d segments (%v)", len(segments), err)
	}
	var shown []string
	for line := range strings.Lines(readQuery(t, dir, Query{Tail: -1, Timestamps: true})) {
		stamp, _, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339, stamp)
		if err != nil || at.Before(before.Truncate(time.Millisecond)) || at.After(after) {
			t.Errorf("a line has arrived at %s (%v), want between %v and %v", stamp, err, before, after)
		}
		shown = append(shown, stamp)
	}
	if len(shown) != 100 || !sort.StringsAreSorted(shown) {
		t.Errorf("the times of %d lines are %v", len(shown), slices.Compact(shown))
	}
}

// A reader that does not follow ends, however fast the service prints.
func TestReadEndsWhereTheLogEndedAtFirst(t *testing.T) {
	dir := newLog(t)
	writeSegments(t, dir, 0, "one\n")
	reader, err := Read(t.Context(), dir, []string{testID}, Query{Tail: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	writeSegments(t, dir, 4, "two\n")
	if text, err := io.ReadAll(reader); string(text) != "one\n" || err != nil {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestFollowUntil(t *testing.T) {
	dir := newLog(t)
	startLogd(t, dir, 3000, 1000)
	service := openService(t, dir, testID)
	begun := time.Now()
	query := Query{Tail: 0, Follow: true, Until: begun.Add(300 * time.Millisecond)}
	reader, err := Read(deadline(t), dir, []string{testID}, query)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var text bytes.Buffer
	least := 0                    // bytes that were there in time
	for number := 0; ; number++ { // it goes on printing when the time is over
		fmt.Fprintf(service, "%09d\n", number)
		drained(t, dir, testID)
		if time.Now().Before(query.Until) {
			least += 10
		}
		buffer := make([]byte, 64)
		n, err := reader.Read(buffer)
		text.Write(buffer[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if end := time.Now(); end.Before(query.Until) {
		t.Errorf("it ended %v before the time", query.Until.Sub(end))
	}
	query.Follow, query.Tail = false, -1
	if most := readQuery(t, dir, query); !strings.HasPrefix(most, text.String()) || text.Len() < least {
		t.Errorf("followed %d bytes, and up to that time there are %d to %d", text.Len(), least, len(most))
	}
	// Without a word from the service, and when the time is over already.
	quiet := time.Now().Add(50 * time.Millisecond)
	for _, query := range []Query{
		{Tail: 0, Follow: true, Until: quiet},
		{Tail: -1, Follow: true, Until: begun.Add(-time.Second)},
	} {
		if got := readQuery(t, dir, query); got != "" {
			t.Errorf("read %q", got)
		}
	}
	if time.Now().Before(quiet) {
		t.Error("it ended before the time")
	}
	quiet = time.Now().Add(50 * time.Millisecond)
	several, err := Read(deadline(t), dir, []string{testID, "ext-silent"}, Query{Tail: 1, Follow: true, Until: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer several.Close()
	if text, err := io.ReadAll(several); strings.Count(string(text), testID+": ") != 1 || err != nil || time.Now().Before(quiet) {
		t.Errorf("of two services followed %q, %v", text, err)
	}
}

// Nothing is followed before the time at which that is to begin.
func TestFollowSinceATimeToCome(t *testing.T) {
	dir := newLog(t)
	startLogd(t, dir, 0, 0)
	service := openService(t, dir, testID)
	since := time.Now().Add(200 * time.Millisecond)
	opened := make(chan io.ReadCloser, 1)
	go func() {
		reader, err := Read(deadline(t), dir, []string{testID}, Query{Tail: -1, Follow: true, Since: since})
		if err != nil {
			t.Error(err)
		}
		opened <- reader
	}()
	fmt.Fprintln(service, "too early")
	drained(t, dir, testID)
	reader := <-opened
	defer reader.Close()
	if time.Now().Before(since) {
		t.Fatal("it is followed before the time")
	}
	fmt.Fprintln(service, "in time")
	if line, err := io.ReadAll(io.LimitReader(reader, 8)); string(line) != "in time\n" || err != nil {
		t.Errorf("read %q, %v", line, err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := Read(ctx, dir, []string{testID}, Query{Follow: true, Since: time.Now().Add(time.Hour)}); !errors.Is(err, cause) {
		t.Errorf("it waits without anybody who wants it: %v", err)
	}
}

// drawSeveral leaves random logs of these services, and returns their lines, each with its time, in the order of those.
func drawSeveral(t *rapid.T, dir Dir, ids []string) (lines []timedLine) {
	for _, id := range ids {
		if err := os.RemoveAll(dir.segments(id)); err != nil {
			t.Fatal(err)
		}
		if err := Create(dir, id); err != nil {
			t.Fatal(err)
		}
		now := 0
		var text []byte
		for number := range rapid.IntRange(0, 6).Draw(t, "lines") {
			now += rapid.SampledFrom([]int{0, 1, 5}).Draw(t, "pause")
			line := fmt.Sprintf("line %d\n", number)
			text = append(text, line...)
			lines = append(lines, timedLine{now, id, line})
		}
		leaveLines(t, dir, id, text, rapid.IntRange(0, len(text)).Draw(t, "cut"), lines)
	}
	slices.SortStableFunc(lines, func(a, b timedLine) int { return a.at - b.at })
	return lines
}

// leaveLines writes the lines of a service in two segments, as logd would have.
func leaveLines(t *rapid.T, dir Dir, id string, text []byte, cut int, lines []timedLine) {
	first, second := segment{dir.segments(id), 0}, segment{dir.segments(id), uint64(cut)}
	cursor := 0
	for _, line := range lines {
		if line.id != id {
			continue
		}
		at := noon.Add(time.Duration(line.at) * time.Millisecond)
		for _, part := range []struct {
			segment
			begin, end int
		}{{first, 0, cut}, {second, cut, len(text)}} {
			if begin := max(cursor, part.begin); begin < min(cursor+len(line.text), part.end) {
				index := openIndex(part.indexPath())
				index.add(uint64(begin), at)
				index.close()
			}
		}
		cursor += len(line.text)
	}
	if cut > 0 {
		leave(t, first, text[:cut])
	}
	leave(t, second, text[cut:])
}

func leave(t *rapid.T, segment segment, text []byte) {
	if err := os.WriteFile(segment.path(), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

type timedLine struct {
	at       int // milliseconds after noon
	id, text string
}

func TestLinesOfSeveralServicesAreInTheOrderOfTheirTimes(t *testing.T) {
	dir := In(t.TempDir())
	ids := []string{"ext-b", "ext-a", "ext-c"}
	rapid.Check(t, func(t *rapid.T) {
		lines := drawSeveral(t, dir, ids)
		timestamps := rapid.Bool().Draw(t, "timestamps")
		var want strings.Builder
		for _, line := range lines {
			if timestamps {
				want.WriteString(noon.Add(time.Duration(line.at) * time.Millisecond).Format("2006-01-02T15:04:05.000Z "))
			}
			want.WriteString(line.id + ": " + line.text)
		}
		reader, err := Read(t.Context(), dir, ids, Query{Tail: -1, Timestamps: timestamps})
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		var got []byte
		for buffer := make([]byte, rapid.IntRange(1, 100).Draw(t, "buffer")); ; {
			n, err := reader.Read(buffer)
			if got = append(got, buffer[:n]...); err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if string(got) != want.String() {
			t.Fatalf("got %q, want %q", got, want.String())
		}
	})
}

// A line without an end gets one, and a very long one several.
func TestLinesOfSeveralServicesHaveEnds(t *testing.T) {
	dir := newLog(t)
	long := strings.Repeat("x", longestLine)
	writeSegments(t, dir, 0, "one\n"+long, long[1:]+"\nunfinished")
	reader, err := Read(t.Context(), dir, []string{testID, "ext-silent"}, Query{Tail: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	want := []string{testID + ": one", testID + ": " + long, testID + ": " + long[1:], testID + ": unfinished", ""}
	if got := strings.Split(string(text), "\n"); err != nil || !slices.Equal(got, want) {
		t.Errorf("read %d bytes in %d lines (%v), ending with %q", len(text), len(got), err, got[max(0, len(got)-2):])
	}
}

// Lines of services that print all the time come as they are printed, also while logd is killed, and none is cut by one of
// another.
func TestSeveralServicesAreFollowed(t *testing.T) {
	dir := In(t.TempDir())
	const services, lines = 3, 2000
	var ids []string
	for number := range services {
		ids = append(ids, fmt.Sprintf("ext-%d", number))
		if err := Create(dir, ids[number]); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancelCause(deadline(t))
	defer cancel(nil)
	reader, err := Read(ctx, dir, append(ids, "ext-late"), Query{Tail: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	logd := startLogd(t, dir, 10_000, 1000)
	for _, id := range ids {
		hold(t, dir, id)
		service := openService(t, dir, id)
		go func() {
			for number := range lines { // in two writes each
				fmt.Fprint(service, number)
				fmt.Fprintln(service, " is the number")
			}
		}()
	}
	next := map[string]int{}
	enough := errors.New("enough")
	scanner := bufio.NewScanner(reader)
	for scanner.Scan() {
		id, text, _ := strings.Cut(scanner.Text(), ": ")
		if want := fmt.Sprint(next[id], " is the number"); text != want {
			t.Fatalf("%s printed %q, want %q", id, text, want)
		}
		next[id]++
		switch seen := next[ids[0]] + next[ids[1]] + next[ids[2]]; {
		case seen == services*lines:
			cancel(enough)
		case seen%1500 == 0:
			logd.kill()
			logd = startLogd(t, dir, 10_000, 1000)
		}
	}
	if err := scanner.Err(); !errors.Is(err, enough) {
		t.Errorf("it ended with %v", err)
	}
}
