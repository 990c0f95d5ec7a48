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

func TestLossText(t *testing.T) {
	t.Parallel()

	for want, loss := range map[string]journal.Loss{
		"record 7: a record is damaged": {From: 7, To: 7, Records: 1, Reason: "a record is damaged"},
		"records 7 to 9: gone":          {From: 7, To: 9, Records: 3, Reason: "gone"},
		"14 records are missing":        {Records: 14, Reason: "records are missing"},
		"it was set aside":              {Reason: "it was set aside"},
	} {
		if got := lossText(loss); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
