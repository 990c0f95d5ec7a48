package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// longestCycle is how many lines one try of a service writes at most: waiting, pre state, runner, task, exit, restart.
const longestCycle = 6

// eventLines words the lines of EVENTS, newest first. A service that crashes again and again says the same few lines each
// time: they are shown once, with how often. An empty list has one empty line.
func (a *app) eventLines(events []*apiv1.ServiceEvent, now clock) []string {
	events = slices.Clone(events)
	slices.Reverse(events)

	var lines []string

	for len(events) > 0 {
		size, times := repeated(events)
		for _, event := range events[:size] {
			lines = append(lines, fmt.Sprintf("[%s]: %s (%s)", event.GetState(), event.GetMessage(), now.ago(event.GetAt())))
		}

		if times > 1 {
			what := "this line"
			if size > 1 {
				what = fmt.Sprintf("these %d lines", size)
			}

			oldest := events[size*times-1].GetAt()
			lines = append(lines, fmt.Sprintf("... (%s x%d, first %s)", what, times, now.ago(oldest)))
		}

		events = events[size*times:]
	}

	if len(lines) == 0 {
		return []string{""}
	}

	return lines
}

// repeated finds the group of lines at the front that covers the most by being repeated, if that makes the list shorter.
func repeated(events []*apiv1.ServiceEvent) (size, times int) {
	size, times = 1, 1

	for group := 1; group <= min(longestCycle, len(events)/2); group++ {
		count := 1
		for (count+1)*group <= len(events) && slices.EqualFunc(events[:group], events[count*group:(count+1)*group], alike) {
			count++
		}

		if saved := group*(count-1) - 1; saved > 0 && saved > size*(times-1)-1 {
			size, times = group, count
		}
	}

	return size, times
}

func alike(a, b *apiv1.ServiceEvent) bool {
	return a.GetState() == b.GetState() && essence(a.GetMessage()) == essence(b.GetMessage())
}

var (
	processID = regexp.MustCompile(`\(PID \d+\)`)
	delay     = regexp.MustCompile(`^Going to restart in [^:]*:`)
	digits    = regexp.MustCompile(`\d+`)
)

// essence is a message without what differs from one try to the next: the process, the delay, and the numbers (most
// often times) in the last line that it printed. An exit code is no such thing.
func essence(message string) string {
	message = delay.ReplaceAllString(processID.ReplaceAllString(message, ""), "")
	before, printed, _ := strings.Cut(message, `last line "`)

	return before + digits.ReplaceAllString(printed, "#")
}
