// Package service is the life of one service: a pure state machine.
//
//	Decide(state, command) -> events    what a command means now; pure, or refused
//	Apply(state, event)    -> state     the only thing that changes state; total
//	React(state, event)    -> effects   what others must do because of the event; skipped during replay
//
// State is always the fold of the events. Time enters only as the moment of a command; nothing here asks a clock, does
// I/O or starts a goroutine. Timers and outcomes of effects carry the attempt for which they were made and mean nothing
// under another one; facts about conditions and a person's commands carry none.
package service
