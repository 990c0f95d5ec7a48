package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawLog leaves a random text in random segments, and returns it with the cursor of its first byte.
func drawLog(t *rapid.T, dir Dir) (base uint64, text []byte) {
	if err := errors.Join(os.RemoveAll(dir.segments(testID)), os.Mkdir(dir.segments(testID), 0o700)); err != nil {
		t.Fatal(err)
	}
	base = rapid.Uint64Range(0, 1<<40).Draw(t, "base")
	end := base
	for _, part := range rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab\n\x00é")), 0, 20, -1), 1, 6).Draw(t, "parts") {
		if err := os.WriteFile(segment{dir.segments(testID), end}.path(), []byte(part), 0o600); err != nil {
			t.Fatal(err)
		}
		text = append(text, part...)
		end += uint64(len(part))
	}
	return base, text
}

func TestReaderSeesOneStream(t *testing.T) {
	dir := newLog(t)
	rapid.Check(t, func(t *rapid.T) {
		base, text := drawLog(t, dir)
		from := rapid.Uint64Range(0, uint64(len(text)+3)).Draw(t, "from")
		reader, err := Open(dir, testID, base+from)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		want := text[min(int(from), len(text)):]
		var got []byte
		for {
			p := make([]byte, rapid.IntRange(1, 9).Draw(t, "size"))
			n, err := reader.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, want) || reader.Cursor() != base+uint64(len(text)) {
			t.Fatalf("read %q up to %d, want %q", got, reader.Cursor()-base, want)
		}
	})
}

func TestTailIsTheLastLines(t *testing.T) {
	dir := newLog(t)
	rapid.Check(t, func(t *rapid.T) {
		_, text := drawLog(t, dir)
		n := rapid.IntRange(-1, 12).Draw(t, "n")
		lines := slices.Collect(bytes.Lines(text))
		if n >= 0 && n < len(lines) {
			lines = lines[len(lines)-n:]
		}
		if got, want := readQuery(t, dir, Query{Tail: n}), string(bytes.Join(lines, nil)); got != want {
			t.Fatalf("the last %d lines of %q are %q, want %q", n, text, got, want)
		}
	})
}

func TestLastLinesAreWholeWhereTheyFit(t *testing.T) {
	dir := newLog(t)
	rapid.Check(t, func(t *rapid.T) {
		base, text := drawLog(t, dir)
		from := rapid.IntRange(0, len(text)).Draw(t, "from")
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		got, err := LastLines(dir, testID, base+uint64(from), limit)
		if err != nil {
			t.Fatal(err)
		}
		// The most lines that fit.
		lines, want := slices.Collect(bytes.Lines(text[from:])), ""
		for _, line := range slices.Backward(lines) {
			if len(line)+len(want) > limit {
				break
			}
			want = string(line) + want
		}
		if want != "" && strings.ToValidUTF8(want, "\uFFFD") != got && len(strings.ToValidUTF8(want, "\uFFFD")) <= limit {
			t.Fatalf("the last %d bytes of %q are %q, want %q", limit, text[from:], got, want)
		}
		if len(got) > limit {
			t.Fatalf("%q is longer than %d", got, limit)
		}
	})
}

func TestTailReadsLogsLargerThanItsBlocks(t *testing.T) {
	dir := newLog(t)
	var text bytes.Buffer
	if err := printNumbers(&text, 0, 40_000, 10); err != nil {
		t.Fatal(err)
	}
	writeSegments(t, dir, 0, text.String()[:200_003], text.String()[200_003:])
	for _, n := range []int{1, 100, 6553, 6554, 30_000, 39_999, 40_000} {
		if got := readQuery(t, dir, Query{Tail: n}); got != text.String()[(40_000-n)*10:] {
			t.Errorf("the last %d lines have %d bytes and begin with %.20q", n, len(got), got)
		}
	}
}

func TestReaderGoesOnAfterBytesThatWereDeleted(t *testing.T) {
	dir := newLog(t)
	writeSegments(t, dir, 0, "old\n", "gone\n", "new\n")
	reader, err := Open(dir, testID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	first := make([]byte, 2)
	if _, err := io.ReadFull(reader, first); err != nil {
		t.Fatal(err)
	}
	for _, base := range []uint64{0, 4} {
		if err := (segment{dir.segments(testID), base}).remove(); err != nil {
			t.Fatal(err)
		}
	}
	rest, err := io.ReadAll(reader)
	if got := string(first) + string(rest); got != "old\nnew\n" || err != nil {
		t.Fatalf("read %q, %v", got, err)
	}
	if got := readAll(t, dir, 0); got != "new\n" {
		t.Fatalf("a new reader read %q", got)
	}
}

func TestFollowersSeeEachLineOnceThroughRotation(t *testing.T) {
	dir := newLog(t)
	startLogd(t, dir, 10_000, 10_000)
	const lines, width = 50_000, 50
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	const followers = 3
	saw := make(chan error, followers)
	ended := make(chan error, followers)
	for range followers {
		expected := 0
		go func() {
			ended <- Lines(ctx, dir, testID, 0, 4096, func(line []byte) {
				want := fmt.Sprintf("%0*d", width-1, expected)
				switch expected++; {
				case expected > lines: // it has failed
				case string(line) != want:
					saw <- fmt.Errorf("line %d is %q", expected-1, line)
					expected = lines
				case expected == lines:
					saw <- nil
				}
			})
		}()
	}
	startChild(t, "service", nil, nil, dir.FIFO(testID), 0, lines, width).finish(t)
	for range followers {
		select {
		case err := <-saw:
			if err != nil {
				t.Fatal(err)
			}
		case err := <-ended:
			t.Fatalf("a follower ended early: %v", err)
		}
	}
	cancel()
	for range followers {
		if err := <-ended; err != nil {
			t.Fatalf("a follower did not end quietly: %v", err)
		}
	}
}

func TestLinesSplitsLongLinesAndYieldsTheUnfinishedAtTheEnd(t *testing.T) {
	dir := newLog(t)
	writeSegments(t, dir, 0, "1234", "\n12345\n\n123456789\nend")
	ctx, cancel := context.WithCancel(deadline(t))
	var got []string
	err := Lines(ctx, dir, testID, 0, 4, func(line []byte) {
		if got = append(got, string(line)); len(got) == 7 {
			cancel()
		}
	})
	want := []string{"1234", "1234", "5", "", "1234", "5678", "9", "end"}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

func TestFollowEndsWithTheContext(t *testing.T) {
	dir := newLog(t)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	reader, err := follow(ctx, dir, testID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	cancel(cause)
	if n, err := reader.Read(make([]byte, 10)); n != 0 || !errors.Is(err, cause) {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	if _, err := follow(ctx, dir, "../nobody", 0); err == nil {
		t.Fatal("what leads out of the directory can be followed")
	}
}

// A directory that is listed while files are created in it may show a later one and not an earlier one.
func TestReaderSkipsNothingWhileSegmentsAreCreated(t *testing.T) {
	dir := newLog(t)
	const segments, width = 1500, 10
	ctx, cancel := context.WithCancel(deadline(t))
	defer cancel()
	follower, err := follow(ctx, dir, testID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	written := make(chan error, 1)
	go func() {
		for i := range segments {
			path := segment{dir.segments(testID), uint64(i * width)}.path()
			if err := os.WriteFile(path, fmt.Appendf(nil, "%0*d\n", width-1, i), 0o600); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	checkNumbers(t, io.LimitReader(follower, segments*width), 0, segments)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}
