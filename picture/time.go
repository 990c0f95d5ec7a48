package picture

import (
	"strconv"
	"time"
)

// span words a duration for people with three significant digits: "0", "820 µs", "34 ms", "1.25 s", "2 min 5 s", "3 h 20 min".
func span(nanoseconds int64) string {
	length := time.Duration(nanoseconds)

	switch {
	case length <= 0:
		return "0"
	case length < time.Millisecond:
		return significant(float64(length)/float64(time.Microsecond)) + " µs"
	case length < time.Second:
		return significant(float64(length)/float64(time.Millisecond)) + " ms"
	case length < time.Minute:
		return significant(length.Seconds()) + " s"
	case length < time.Hour:
		return pair(length, time.Minute, "min", time.Second, "s")
	case length < 48*time.Hour:
		return pair(length, time.Hour, "h", time.Minute, "min")
	default:
		return pair(length, 24*time.Hour, "d", time.Hour, "h")
	}
}

// significant keeps three digits, never more than two after the point.
func significant(value float64) string {
	digits := 2

	switch {
	case value >= 100:
		digits = 0
	case value >= 10:
		digits = 1
	}

	factor := 1.0
	for range digits {
		factor *= 10
	}

	return strconv.FormatFloat(float64(int64(value*factor))/factor, 'f', -1, 64)
}

func pair(length, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := strconv.FormatInt(int64(length/large), 10) + " " + largeName
	if rest := int64(length % large / small); rest > 0 {
		text += " " + strconv.FormatInt(rest, 10) + " " + smallName
	}

	return text
}

// wallText is a moment of the wall clock, in UTC.
func wallText(wallNS int64) string {
	return time.Unix(0, wallNS).UTC().Format("2006-01-02 15:04:05 UTC")
}

// mostTicks is how many marks an axis has at most, besides its beginning.
const mostTicks = 10

// tick is the distance between the marks of an axis of that length: a round one, in nanoseconds.
func tick(length int64) int64 {
	for unit := int64(time.Microsecond); unit <= int64(10*time.Second); unit *= 10 {
		for _, step := range []int64{1, 2, 5} {
			if length/(unit*step) <= mostTicks && unit*step <= int64(30*time.Second) {
				return unit * step
			}
		}
	}

	for _, step := range []time.Duration{
		30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if length/int64(step) <= mostTicks {
			return int64(step)
		}
	}

	days := int64(24 * time.Hour)
	for length/days > mostTicks {
		days *= 2
	}

	return days
}
