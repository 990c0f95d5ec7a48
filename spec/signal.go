package spec

import (
	"fmt"
	"strconv"
	"strings"
)

// signals are the names of Linux's signals; the index is the number on all architectures extactor runs on.
var signals = [...]string{
	1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 10: "USR1",
	11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM", 16: "STKFLT", 17: "CHLD", 18: "CONT", 19: "STOP",
	20: "TSTP", 21: "TTIN", 22: "TTOU", 23: "URG", 24: "XCPU", 25: "XFSZ", 26: "VTALRM", 27: "PROF", 28: "WINCH",
	29: "IO", 30: "PWR", 31: "SYS",
}

// The real-time signals as a program sees them: the C library keeps 32 and 33 for itself.
const (
	firstRealTime = 34
	lastRealTime  = 64
)

// ParseSignal returns the name of a signal that is sent to a program for it to handle, from its name or number; else what is
// wrong with it.
func ParseSignal(text string) (name, problem string) {
	name, _ = signalName(text)

	return name, validConfigSignal(text)
}

// signalName turns "TERM", "sigterm" or "15" into "SIGTERM"; the second result is false for what is no signal.
// Real-time signals are counted from the nearer end, as kill(1) prints them: SIGRTMIN+3, SIGRTMAX-2.
func signalName(text string) (string, bool) {
	if number, err := strconv.Atoi(text); err == nil {
		return signalOfNumber(number)
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	for _, known := range signals {
		if known != "" && name == known {
			return "SIG" + known, true
		}
	}
	if offset, found := strings.CutPrefix(name, "RTMIN"); found {
		return realTimeOffset(firstRealTime, offset)
	}
	if offset, found := strings.CutPrefix(name, "RTMAX"); found {
		return realTimeOffset(lastRealTime, offset)
	}
	return "", false
}

// realTimeOffset reads the "+3" of SIGRTMIN+3.
func realTimeOffset(base int, offset string) (string, bool) {
	if offset == "" {
		return realTimeName(base)
	}
	number, err := strconv.Atoi(offset)
	if err != nil {
		return "", false
	}
	return realTimeName(base + number)
}

func signalOfNumber(number int) (string, bool) {
	if number > 0 && number < len(signals) {
		return "SIG" + signals[number], true
	}
	return realTimeName(number)
}

func realTimeName(number int) (string, bool) {
	switch {
	case number < firstRealTime || number > lastRealTime:
		return "", false
	case number == firstRealTime:
		return "SIGRTMIN", true
	case number == lastRealTime:
		return "SIGRTMAX", true
	case number <= firstRealTime+15:
		return fmt.Sprintf("SIGRTMIN+%d", number-firstRealTime), true
	default:
		return fmt.Sprintf("SIGRTMAX-%d", lastRealTime-number), true
	}
}

// meantSignal asks in a message whether another signal was meant by what is none.
func meantSignal(text string) string {
	if _, known := signalName(text); known {
		return ""
	}
	var names []string
	for _, known := range signals[1:] {
		names = append(names, "SIG"+known)
	}
	if best := nearest(text, names); best != "" {
		return "; did you mean \"" + best + "\"?"
	}
	return ""
}
