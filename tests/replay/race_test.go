//go:build race

package replay

import (
	"flag"

	_ "pgregory.net/rapid" // registers the flag
)

// A few lives are enough to race in: SQLite's code takes many times as long under the race detector. "make test" leads all of
// them without it.
func init() {
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
}
