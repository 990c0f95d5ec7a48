package daemon

import (
	"fmt"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/journal"
)

// apiKeeper is the file of the journal as the API looks after it.
type apiKeeper struct{ *journal.Journal }

// Status implements api.Keeper.
func (k apiKeeper) Status() *apiv1.JournalStatusResponse {
	status := k.Journal.Status()
	told := &apiv1.JournalStatusResponse{
		Path: status.Path, Bytes: status.Bytes, Revision: status.Revision, Synced: status.Synced, Buffered: uint64(status.Buffered),
		Lost: status.Lost, Problem: status.Reason, Checked: status.Checked,
	}

	if status.Since != nil {
		told.Since = &apiv1.Moment{WallNs: status.Since.GetWallNs(), BootNs: status.Since.GetBootNs()}
	}

	for _, loss := range status.Losses {
		told.Losses = append(told.Losses, lossText(loss))
	}

	return told
}

// lossText says which records are gone, or how many.
func lossText(loss journal.Loss) string {
	switch {
	case loss.From != 0 && loss.From == loss.To:
		return fmt.Sprintf("record %d: %s", loss.From, loss.Reason)
	case loss.From != 0:
		return fmt.Sprintf("records %d to %d: %s", loss.From, loss.To, loss.Reason)
	case loss.Records > 0:
		return fmt.Sprintf("%d %s", loss.Records, loss.Reason)
	default:
		return loss.Reason
	}
}
