// Package dashboard is a screen that shows the services of a daemon as they are, with what they take of the host, what
// happened to the selected one and what it printed, and that starts, stops and restarts them.
//
// A feed talks to the daemon and sends messages; the model is a pure function of messages, keys and the clock, so that it
// can be tested without a terminal.
package dashboard
