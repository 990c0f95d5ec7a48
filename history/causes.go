package history

import (
	"fmt"
	"strings"

	"github.com/extactor/extactor/events"
)

// rootKinds are the records to which nothing that is recorded leads: what the world does to the daemon, and what becomes of
// the daemon itself.
var rootKinds = map[string]bool{
	"DaemonStarted": true, "DaemonStopped": true, "ShutdownBegan": true, "FilesRead": true, "SpecRejected": true,
	"RuntimeConnected": true, "RuntimeDisconnected": true, "HostChanged": true, "JournalChanged": true, "Gap": true,
	"command.StartService": true, "command.StopService": true, "command.RestartService": true, "command.SignalService": true, // by a person
	"DesiredChanged": true, // by a person, of a service that can only be stopped any more
}

// fromRecords begin the keys of the conditions whose facts are themselves recorded; all others are seen by watchers.
var fromRecords = []string{"service:", "completed:", "configuration"}

// IsRoot tells whether the first record of a decision may be without a cause: it is a root fact.
func IsRoot(record events.Record) bool {
	if seen := record.Command.GetObserveCondition(); seen != nil {
		for _, begin := range fromRecords {
			if strings.HasPrefix(seen.GetKey(), begin) {
				return false
			}
		}

		return true
	}

	return rootKinds[record.Kind]
}

// CheckCauses looks at records in the order of their sequences, and says of each what is wrong with its cause: it has none
// and is no root fact, or its cause is not earlier. As every cause is earlier, every chain of them ends.
func CheckCauses(records []events.Record) []string {
	var problems []string

	for _, record := range records {
		switch {
		case record.Cause >= record.Decision && record.Cause != 0:
			problems = append(problems, fmt.Sprintf("record %d (%s of %q) is caused by %d, which is not earlier",
				record.Seq, record.Kind, record.Service, record.Cause))
		case record.Cause == 0 && record.Seq == record.Decision && !IsRoot(record):
			problems = append(problems, fmt.Sprintf("record %d (%s of %q) has no cause and is no root fact",
				record.Seq, record.Kind, record.Service))
		}
	}

	return problems
}
