package events

// Decision is the unit of append: one command and the events that were decided for it, in order. The journal writes it
// whole or not at all.
type Decision struct {
	Service string   // "ext-hello-world"; empty for the daemon itself
	Command *Command // carries the moment and who gave it; nil where the daemon records a fact of its own
	At      *Instant // the command's moment
	Origin  *Origin  // who gave the command; may be nil
	Cause   uint64   // sequence of the record that led to this command, 0 if none
	Entries []Entry  // never empty
}

// Entry is one event of a decision with what is stored beside it, so that old records stay readable when the wording or
// the machine changes.
type Entry struct {
	Event   *Event
	State   string // the service's state after this event
	Attempt uint64 // the service's attempt after this event
	Message string // text for people; empty for a fact that EVENTS does not show
}

// Record is one row of the journal: either a command (Command is set) or an event (Event is set). A kind that this
// version does not know has neither; its State and Message still stand.
type Record struct {
	Seq      uint64
	Instance string // UUID of the state directory
	BootID   string // kernel boot id
	RunID    string // UUID of one run of the daemon
	Service  string
	Attempt  uint64
	Kind     string // "TaskStarted", or "command.StopService"
	State    string
	Message  string
	WallNS   int64  // CLOCK_REALTIME
	BootNS   int64  // CLOCK_BOOTTIME of BootID
	Cause    uint64 // sequence of the record that led here, 0 if none
	Decision uint64 // sequence of the first record of the same decision
	Origin   *Origin
	Event    *Event
	Command  *Command
}

// Outcome says what an append promises.
type Outcome int

const (
	// Recorded: written to the write-ahead log; it survives the death of any process.
	Recorded Outcome = iota
	// Buffered: kept in memory until the disk can be written again; it does not survive the daemon.
	Buffered
)

// String names the outcome as it is shown in status.
func (o Outcome) String() string {
	if o == Recorded {
		return "recorded"
	}

	return "buffered"
}

// Receipt answers an append. Both outcomes assign the sequence and allow the effects.
type Receipt struct {
	Outcome Outcome
	Records []Record // the decision's rows as they are, or will be, in the journal
}

// Entry returns the sequence of the decision's entry of this index; 0 where the receipt has no such record.
func (r Receipt) Entry(index, entries int) uint64 {
	at := len(r.Records) - entries + index // the command, if there is one, stands first
	if at < 0 || at >= len(r.Records) {
		return 0
	}

	return r.Records[at].Seq
}

// Last returns the sequence of the decision's last record.
func (r Receipt) Last() uint64 {
	if len(r.Records) == 0 {
		return 0
	}

	return r.Records[len(r.Records)-1].Seq
}
