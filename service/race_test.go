//go:build race

package service_test

// underRace: the walk over every configuration is one goroutine of pure functions, in which the race detector can find
// nothing and takes six times as long. "make test" runs it in full without.
const underRace = true

// worlds is how many the machine is driven against: one goroutine of pure functions, too.
const worlds = "150"
