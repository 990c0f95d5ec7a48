package journal_test

import (
	"testing"
	"time"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// A time is found although the wall clock began decades off in each boot. Times that only such clocks showed are of the first.
func TestTimesAfterTheClockJumped(t *testing.T) {
	const second = int64(1e9)

	dir := t.TempDir()

	for boot, began := range []int64{1_000_000, 2_000_000} { // seconds; the clock is right from the third record on
		name := string(rune('a' + boot))

		j, err := journal.Open(journal.Options{
			Dir: dir, Identity: journal.Identity{Instance: "i", BootID: name, RunID: name},
		}.WithPatience(time.Minute))
		if err != nil {
			t.Fatal(err)
		}

		for number := range int64(10) {
			wall := (began + number) * second
			if number < 2 {
				wall = number * second
			}

			at := &events.Instant{WallNs: wall, BootNs: (5 + number) * second}
			decision := journaltest.Decision("ext-a", int(number))
			decision.At = at
			j.Append(decision)
		}

		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}

	reader, err := journal.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	for seconds, want := range map[int64]uint64{
		1: 6, 999_999: 6, 1_000_004: 15, 1_000_009: 30, 1_999_998: 30, 2_000_001: 36, 2_000_004: 45, 3_000_000: 60,
	} {
		if seq, err := reader.Newest(t.Context(), seconds*second+second/2); err != nil || seq != want {
			t.Errorf("at %d: %d instead of %d, %v", seconds, seq, want, err)
		}
	}

	end, at, bootID := reader.End()
	if end != 60 {
		t.Fatal(end)
	}

	for ago, want := range map[int64]uint64{0: 60, 4: 48, 9: 33, 999_995: 30, 1_000_004: 18} {
		if seq, err := reader.Before(t.Context(), at, bootID, time.Duration(ago*second)); err != nil || seq != want {
			t.Errorf("%d s ago: %d instead of %d, %v", ago, seq, want, err)
		}
	}
}
