package daemon

import (
	"fmt"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/journal"
)

// journalHealth words the status of the journal for its row in status.
func journalHealth(of *journal.Journal) actors.JournalHealth {
	return func() (healthy bool, message string, changed <-chan struct{}) {
		status, changed := of.Watch()

		if !status.Degraded {
			if status.Lost > 0 {
				message = inWords(status.Lost, "event was lost", "events were lost")
			}

			return true, message, changed
		}

		since := time.Unix(0, status.Since.GetWallNs()).UTC().Format(time.RFC3339)

		return false, fmt.Sprintf("%s since %s, %s", status.Reason, since, inWords(uint64(status.Buffered), "event buffered", "events buffered")), changed
	}
}

// inWords says how many there are of something.
func inWords(number uint64, one, many string) string {
	if number == 1 {
		return "1 " + one
	}

	return fmt.Sprintf("%d %s", number, many)
}
