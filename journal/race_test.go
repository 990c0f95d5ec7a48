//go:build race

package journal_test

// underRace: damage is found by reading, in which there is nothing to race, and takes six times as long. "make test" damages
// everything as often as it should without the race detector.
const underRace = true
