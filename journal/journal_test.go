package journal_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// subscriber gives the suite its interface of a subscription.
type subscriber struct{ *journal.Journal }

func (s subscriber) Subscribe(after uint64) journaltest.Stream { return s.Journal.Subscribe(after) }

// runs counts the runs of the daemon that tests pretend to be.
var runs atomic.Int64

func open(t *testing.T, options journal.Options) *journal.Journal {
	t.Helper()

	options.Identity = journal.Identity{Instance: "instance", BootID: "boot", RunID: fmt.Sprintf("run-%d", runs.Add(1))}
	if options.Dir == "" {
		options.Dir = filepath.Join(t.TempDir(), "state")
	}

	// Unless a test is about disks that give no answer, it must not take a busy machine for one.
	j, err := journal.Open(options.WithPatience(time.Minute))
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})

	return j
}

func TestSuite(t *testing.T) {
	for name, mode := range map[string]journal.SyncMode{"interval": journal.Interval, "always": journal.Always} {
		t.Run(name, func(t *testing.T) {
			journaltest.Suite(t, func(t *testing.T) journaltest.Store {
				return subscriber{open(t, journal.Options{Sync: mode})}
			})
		})
	}
}
