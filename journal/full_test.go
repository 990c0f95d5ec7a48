package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

const fullRun = 24 // appends of a run, at each of which the disk gets full

// TestDiskFullAtEveryAppend fills the disk before each append of a run in turn. What was recorded is there after a kill at
// that moment; and with space again everything is written, in order.
func TestDiskFullAtEveryAppend(t *testing.T) {
	needRoot(t)
	t.Parallel()

	recorded := make([]int, fullRun)
	buffered := make([]int, fullRun)

	t.Run("at", func(t *testing.T) {
		for full := range fullRun {
			if underRace && full%4 != 0 {
				continue
			}

			t.Run(fmt.Sprint(full), func(t *testing.T) {
				t.Parallel()

				recorded[full], buffered[full] = fullAt(t, full)
			})
		}
	})

	t.Logf("disk full before append 0 to %d of %d: %d records recorded, %d buffered until there was space, 0 lost",
		fullRun-1, fullRun, sum(recorded), sum(buffered))
}

func sum(numbers []int) (total int) {
	for _, number := range numbers {
		total += number
	}

	return total
}

func fullAt(t *testing.T, full int) (recorded, buffered int) {
	t.Helper()

	point := t.TempDir()
	mount(t, "tmpfs", point, "tmpfs", 0, "size=2m")

	options := journal.Options{Dir: filepath.Join(point, "extactor"), Mount: point}.WithRetry(20 * time.Millisecond)
	ballast := filepath.Join(point, "ballast")
	j := open(t, options)

	for number := range fullRun {
		if number == full {
			fillDisk(t, ballast)
		}

		decision := journaltest.Decision("ext-a", number)
		receipt := j.Append(decision)

		if first := receipt.Records[0].Seq; first != uint64(3*number+1) {
			t.Fatalf("append %d is at %d", number, first)
		}

		switch receipt.Outcome {
		case events.Recorded:
			recorded += 3
		default:
			buffered += 3
		}

		if buffered > 0 && receipt.Outcome == events.Recorded {
			t.Fatalf("append %d overtakes", number)
		}
	}

	if buffered == 0 {
		t.Fatal("everything fits on a full disk")
	}

	killed := open(t, journal.Options{Dir: place(t, load(t, options.Dir))})
	expectSequences(t, killed, "ext-a", count(1, uint64(recorded)))

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}

	await(t, j, "space on the disk", healthy)
	expectSequences(t, reopen(t, j, options), "ext-a", count(1, 3*fullRun))

	return recorded, buffered
}

// fillDisk takes all the space that there is.
func fillDisk(t *testing.T, path string) {
	t.Helper()

	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	for chunk := make([]byte, 1<<20); len(chunk) > 0; {
		if _, err = file.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}

	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
}
