package journal_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// Whoever writes without a pause does not make the write-ahead log grow for ever.
func TestLogStaysSmallUnderConstantWrites(t *testing.T) {
	const most = 66 << 20 // without a limit it grows to 300 MiB

	decisions := 30_000
	if underRace {
		decisions /= 10
	}

	dir := t.TempDir()
	j := open(t, journal.Options{Dir: dir})
	largest := int64(0)

	for index := range decisions {
		j.Append(events.Decision{
			Service: "ext-a", Command: &events.Command{}, At: &events.Instant{BootNs: int64(index)},
			Entries: []events.Entry{{Event: events.New(&events.TaskStarted{Pid: 1}), State: events.StateRunning, Message: "Started"}},
		})

		if index%1000 == 0 {
			info, err := os.Stat(filepath.Join(dir, "journal.db-wal"))
			if err != nil {
				t.Fatal(err)
			}

			largest = max(largest, info.Size())
		}
	}

	t.Logf("the log had %d MiB at most", largest>>20)

	if largest > most {
		t.Errorf("the log grew to %d MiB", largest>>20)
	}
}
