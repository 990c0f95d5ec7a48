//go:build race

package replay

// lives is how many each test leads: a few are enough to race in, and SQLite's code takes many times as long under the race
// detector. "make test" leads more of them without it.
const lives = "4"
