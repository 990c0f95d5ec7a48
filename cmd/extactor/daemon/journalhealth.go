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
				message = fmt.Sprintf("%d events were lost", status.Lost)
			}

			return true, message, changed
		}

		since := time.Unix(0, status.Since.GetWallNs()).UTC().Format(time.RFC3339)

		return false, fmt.Sprintf("%s since %s, %d events buffered", status.Reason, since, status.Buffered), changed
	}
}
