package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// sinceBoot is the beginning of the newest boot.
const sinceBoot = "boot"

// momentFlagNames are the flags that say a moment, or a boot. Empty they would mean another one than was meant.
var momentFlagNames = []string{"at", "since", "until", "from", "to", "before", "diff", "boot"}

// pointOf reads a point in time that a flag names: any moment, and besides it so long ago without a sign.
func pointOf(flag, text string) (*apiv1.Point, error) {
	if text == sinceBoot {
		return &apiv1.Point{Kind: &apiv1.Point_Boot{Boot: "0"}}, nil
	}

	if ago, ok := duration(strings.TrimPrefix(text, "-")); ok {
		return &apiv1.Point{Kind: &apiv1.Point_AgoNs{AgoNs: ago.Nanoseconds()}}, nil
	}

	point, err := parseMoment(text, time.Now())
	if err != nil {
		return nil, usageError{fmt.Errorf("%s %w", flag, err)}
	}

	return point, nil
}

// duration reads one that is not negative and has a unit; days are 24 hours.
func duration(text string) (time.Duration, bool) {
	if days, found := strings.CutSuffix(text, "d"); found {
		if count, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(count) * 24 * time.Hour, true
		}
	}

	length, err := time.ParseDuration(text)

	return length, err == nil && length >= 0 && !strings.HasPrefix(text, "+") && text != "0"
}
