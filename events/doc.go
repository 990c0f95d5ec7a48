// Package events defines what is recorded of a service's life: the commands that were given, the events that were
// decided, their text for people, and the fold of events into the view that status shows.
//
// It knows no journal, no actor and no clock: every moment is a field.
package events

//go:generate protoc --go_out=. --go_opt=paths=source_relative events.proto
