// Package history answers questions about what is recorded: what led to a record, back to the fact that nothing recorded
// led to, and why a service was as it was at a moment.
//
// It is pure: records go in, answers come out. It reads no journal and asks no clock.
package history
