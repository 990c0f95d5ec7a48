package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/api"
)

// Nodes are told of in the order in which they are named, as long as that keeps nobody waiting.
func TestNodesInOrder(t *testing.T) {
	for name, test := range map[string]struct {
		after []time.Duration // that each of a, b, c fails
		want  string
	}{
		"all soon":            {[]time.Duration{3 * together / 4, 0, together / 2}, "a b c"},
		"the first is late":   {[]time.Duration{5 * time.Second, together / 2, 0}, "b c a"},
		"all are late":        {[]time.Duration{4 * time.Second, 3 * time.Second, 2 * time.Second}, "c b a"},
		"the middle one late": {[]time.Duration{0, 5 * time.Second, 2 * together}, "a c b"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				application, _, stderr := testApp()

				var targets []target

				for i, after := range test.after {
					targets = append(targets, target{node: string(rune('a' + i)), dial: func() (*api.Client, error) {
						<-time.After(after)

						return nil, errors.New("away")
					}})
				}

				begun := time.Now()
				err := eachOf(application, targets, func(*app, *api.Client) (int, error) { return 0, nil }, func(*app, int) error { return nil })

				if !errors.Is(err, errSilent) {
					t.Errorf("error %v", err)
				}

				var order []string
				for line := range strings.Lines(stderr.String()) {
					order = append(order, strings.TrimSuffix(strings.TrimPrefix(line, "extactor: "), ": away\n"))
				}

				if got := strings.Join(order, " "); got != test.want {
					t.Errorf("told of %s, not %s", got, test.want)
				}

				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("it took %s: not all at the same time", took)
				}
			})
		})
	}
}
