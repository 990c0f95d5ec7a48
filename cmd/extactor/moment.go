package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// momentHelp says how a moment of the past is written.
const momentHelp = "a time (2026-01-31T10:02:11Z, or 10:02:11 for today), an event's sequence (seq in events -o json), " +
	"so long ago (10m, 2h30m, 3d), or the beginning of a boot (boot:0 is the newest, boot:-1 the one before)"

// parseMoment reads a moment of the past. now is this machine's clock, in the time zone that counts.
func parseMoment(text string, now time.Time) (*apiv1.Point, error) {
	if name, found := strings.CutPrefix(text, "boot:"); found && name != "" {
		return &apiv1.Point{Kind: &apiv1.Point_Boot{Boot: name}}, nil
	}

	if seq, err := strconv.ParseUint(text, 10, 63); err == nil && seq > 0 {
		return &apiv1.Point{Kind: &apiv1.Point_Seq{Seq: seq}}, nil
	}

	if ago, err := time.ParseDuration(text); err == nil && ago <= 0 && text != "0" {
		return &apiv1.Point{Kind: &apiv1.Point_AgoNs{AgoNs: int64(-ago)}}, nil
	}

	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return wallPoint(at), nil
	}

	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return wallPoint(at), nil
		}
	}

	for _, layout := range []string{"15:04:05.999999999", "15:04"} { // of today
		if of, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			year, month, day := now.Date()

			return wallPoint(time.Date(year, month, day, of.Hour(), of.Minute(), of.Second(), of.Nanosecond(), now.Location())), nil
		}
	}

	return nil, usageError{fmt.Errorf("%q is no moment; it is %s", text, momentHelp)}
}

// wallPoint is a time as a point. No clock shows one before 1970, and nanoseconds end in 2262: such a time is taken for the
// nearest that there is.
func wallPoint(at time.Time) *apiv1.Point {
	wallNS := at.UnixNano()

	switch {
	case at.Before(time.Unix(0, 0)):
		wallNS = 0
	case at.After(time.Unix(0, math.MaxInt64)):
		wallNS = math.MaxInt64
	}

	return &apiv1.Point{Kind: &apiv1.Point_WallNs{WallNs: wallNS}}
}
