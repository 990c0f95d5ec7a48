package events

import (
	"regexp"
	"slices"
)

// Selection says which records of the journal are wanted. Its zero value wants all that have a text for people.
type Selection struct {
	After    uint64   // only records after this sequence
	Until    uint64   // up to this one; 0: to the end
	Services []string // only of these; empty: of all, and of the daemon itself
	Kinds    []string // only of these ("TaskStarted", "command.StopService"), also where they have no text; empty: all with one
	Boot     string   // only of this boot
	Text     *regexp.Regexp
	Silent   bool // also those without a text
	Forward  bool // oldest first, where the newest would be
}

// Wants tells whether a record is wanted.
func (s Selection) Wants(record Record) bool {
	switch {
	case record.Seq <= s.After, s.Until != 0 && record.Seq > s.Until:
		return false
	case len(s.Kinds) == 0 && record.Message == "" && !s.Silent, len(s.Kinds) > 0 && !slices.Contains(s.Kinds, record.Kind):
		return false
	case len(s.Services) > 0 && !slices.Contains(s.Services, record.Service):
		return false
	case s.Boot != "" && record.BootID != s.Boot:
		return false
	}

	return s.Text == nil || s.Text.MatchString(record.Message)
}
