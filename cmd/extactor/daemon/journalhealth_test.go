package daemon

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

func TestJournalHealthCounts(t *testing.T) {
	t.Parallel()

	kept, err := journal.Open(journal.Options{Dir: filepath.Join(t.TempDir(), "not", "there")})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close() //nolint:errcheck // what is in memory is not to be written

	health := journalHealth(kept)

	for _, want := range []string{", 0 events buffered", ", 1 event buffered", ", 2 events buffered"} {
		if healthy, message, _ := health(); healthy || !strings.HasSuffix(message, want) {
			t.Errorf("%t, %q; want %q", healthy, message, want)
		}

		kept.Append(events.Decision{At: &events.Instant{}, Entries: []events.Entry{{Event: events.New(&events.DaemonStarted{})}}})
	}
}
