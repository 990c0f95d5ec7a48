package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/spec"
)

// A script says what each check finds: "ok", "bad", "slow" (a minute, then ok). Reports are noted with their time.
func TestMonitor(t *testing.T) {
	for _, test := range []struct {
		name   string
		health spec.Health
		script string
		want   string
	}{
		{
			"the first result counts, after the initial delay", spec.Health{InitialDelay: 7 * time.Second},
			"ok", "7s healthy ok",
		},
		{
			"nothing is reported again", spec.Health{}, "ok ok ok bad bad ok",
			"0s healthy ok; 30s unhealthy bad; 50s healthy ok",
		},
		{
			"failures below the threshold", spec.Health{FailureThreshold: 3}, "ok bad bad ok bad bad bad bad ok",
			"0s healthy ok; 10s healthy bad; 30s healthy ok; 40s healthy bad; 1m0s unhealthy bad; 1m20s healthy ok",
		},
		{
			"unknown until the threshold", spec.Health{FailureThreshold: 3}, "bad bad bad",
			"20s unhealthy bad",
		},
		{
			"unknown until one succeeds", spec.Health{FailureThreshold: 3, Interval: time.Second}, "bad bad ok",
			"2s healthy ok",
		},
		{
			"messages", spec.Health{Interval: 5 * time.Second}, "a a b ok",
			"0s healthy a; 10s healthy b; 15s healthy ok",
		},
		{
			"the interval begins when a check ends", spec.Health{Interval: time.Second}, "slow bad ok",
			"1m0s healthy slow; 1m1s unhealthy bad; 1m2s healthy ok",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var reports []string

				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()

				start, script := time.Now(), strings.Fields(test.script)

				Monitor(ctx, test.health, func(ctx context.Context) (string, error) {
					if len(script) == 0 {
						cancel()

						return "", ctx.Err()
					}

					found := script[0]
					script = script[1:]

					switch found {
					case "bad":
						return "", errors.New(found)
					case "slow":
						<-time.After(time.Minute)
					}

					return found, nil
				}, func(healthy bool, message string) {
					word := map[bool]string{true: "healthy", false: "unhealthy"}[healthy]
					reports = append(reports, fmt.Sprint(time.Since(start), " ", word, " ", message))
				})

				if got := strings.Join(reports, "; "); got != test.want {
					t.Errorf("reports\n%s, want\n%s", got, test.want)
				}
			})
		})
	}
}

func TestMonitorEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()

		checks := 0

		// The container died: the check is broken off, and says nothing of health.
		Monitor(ctx, spec.Health{}, func(ctx context.Context) (string, error) {
			if checks++; checks == 3 {
				<-ctx.Done()

				return "", ctx.Err()
			}

			return "ok", nil
		}, func(healthy bool, message string) {
			if !healthy {
				t.Errorf("unhealthy: %s", message)
			}
		})

		if checks != 3 {
			t.Errorf("%d checks", checks)
		}

		Monitor(ctx, spec.Health{}, func(context.Context) (string, error) {
			t.Error("checked after the end")

			return "", nil
		}, nil)
	})
}
