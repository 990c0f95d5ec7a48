package history

import "github.com/extactor/extactor/events"

// Course follows what services go through, record by record. With Roles, that is all that Explain makes its answers of, for
// who gives them later and elsewhere.
type Course struct {
	stories map[string]*story
	boots   map[string]string // in which a service was taken over last
	stopped uint64            // the end of the daemon, where none has started since
}

// Standing is what brought a service where it is. Records are named by their sequences; 0 where there is none.
type Standing struct {
	Is        string // "is waiting"
	Entered   uint64 // the record that brought it there
	LastExit  uint64 // of a task, or of a start that failed, where that counts
	Restarts  int    // by the restart policy, since it began anew
	FirstExit events.Moment
	Blocked   uint64 // its program failed in the daemon
	Waits     []Wait // in no order
}

// Wait is what was last reported of a condition.
type Wait struct {
	Key     string
	Changed uint64 // the record with which it became met or unmet
	Absence string // how it has not been met, where it is not
}

// Apply takes the next record.
func (c *Course) Apply(record events.Record) {
	if c.stories == nil {
		c.stories, c.boots = make(map[string]*story), make(map[string]string)
	}

	id := record.Service
	if id == "" {
		switch record.Event.GetKind().(type) {
		case *events.Event_DaemonStopped:
			c.stopped = record.Seq
		case *events.Event_DaemonStarted:
			c.stopped = 0
		}

		return
	}

	if loaded := record.Event.GetSpecLoaded(); loaded != nil {
		if boot, before := c.boots[id]; before && boot != loaded.GetBootId() {
			delete(c.stories, id) // nothing that was before counts
		}

		c.boots[id] = loaded.GetBootId()
	}

	if c.stories[id] == nil {
		c.stories[id] = newStory(id)
	}

	c.stories[id].apply(record)
}

// Standing tells where a service stands; false where nothing is recorded of it.
func (c *Course) Standing(id string) (Standing, bool) {
	known := c.stories[id]
	if known == nil {
		return Standing{}, false
	}

	standing := Standing{
		Is: stateText(known.view), Entered: known.entered.Seq, LastExit: known.lastExit.Seq, Restarts: known.restarts, FirstExit: known.firstExit,
		Blocked: known.blocked.Seq,
	}

	for key, seen := range known.waits {
		standing.Waits = append(standing.Waits, Wait{Key: key, Changed: seen.changed.Seq, Absence: absence(kindOf(key), seen.ever)})
	}

	return standing, true
}

// Stopped is the record of the end of the daemon, 0 where one runs.
func (c *Course) Stopped() uint64 { return c.stopped }

// Role is what a record can be in a chain of causes.
type Role uint8

// The roles; a record has some of them.
const (
	RoleShown   Role = 1 << iota // worth telling
	RoleCommand                  // a command, not an event
	RolePerson                   // a command of a person
	RoleRestart                  // a restart that the policy made
	RoleFailed                   // said better by the end of a task before it
	RoleEnd                      // a task ended, or could not be started
)

// Roles tells what a record can be in a chain of causes, and what it says there as a clause without its time.
func Roles(record events.Record) (Role, string) {
	var roles Role

	for _, role := range []struct {
		role Role
		is   bool
	}{
		{RoleShown, shown(record)}, {RoleCommand, record.Command != nil}, {RolePerson, record.Command != nil && person(record)},
		{RoleRestart, record.Event.GetRestartScheduled() != nil}, {RoleFailed, record.Event.GetServiceFailed() != nil}, {RoleEnd, ends(record)},
	} {
		if role.is {
			roles |= role.role
		}
	}

	return roles, text(record)
}
