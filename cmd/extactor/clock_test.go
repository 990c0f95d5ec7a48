package main

import (
	"strings"
	"testing"
	"time"

	apiv1 "github.com/extactor/extactor/api/v1"
)

func TestAge(t *testing.T) {
	now := testClock()

	for _, row := range []struct {
		name string
		at   *apiv1.Moment
		want time.Duration
	}{
		{"this boot, wall clock jumped ahead", &apiv1.Moment{WallNs: 0, BootNs: 990 * second, BootId: testBoot}, 10 * time.Second},
		{"this boot, wall clock jumped back", &apiv1.Moment{WallNs: now.wallNS + 1e18, BootNs: 990 * second, BootId: testBoot}, 10 * time.Second},
		{"an earlier boot", &apiv1.Moment{WallNs: now.wallNS - 3600*second, BootNs: 999 * second, BootId: otherBoot}, time.Hour},
		{"an earlier boot, wall clock jumped back", &apiv1.Moment{WallNs: now.wallNS + 3600*second, BootNs: 999 * second, BootId: otherBoot}, 0},
		{"an unknown boot", &apiv1.Moment{WallNs: now.wallNS - second}, time.Second},
		{"ahead of a clock that was read earlier", &apiv1.Moment{BootNs: 1001 * second, BootId: testBoot}, 0},
	} {
		if got := now.age(row.at); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestLocalClockIsThatOfTheKernel(t *testing.T) {
	before, after := localClock(), localClock()

	if len(before.bootID) != 36 || strings.TrimSpace(before.bootID) != before.bootID {
		t.Errorf("boot id %q", before.bootID)
	}

	if before.bootNS <= 0 || after.bootNS < before.bootNS {
		t.Errorf("boot clock %d, then %d", before.bootNS, after.bootNS)
	}
}
