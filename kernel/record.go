package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// logRecord is one record of the kernel's log.
type logRecord struct {
	priority uint64 // as in syslog: the facility times 8, and the level
	sequence uint64
	at       time.Duration // since the boot
	message  string        // ends with a line break; lines with KEY=value may follow the first
}

var (
	levels     = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
	facilities = []string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		16: "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
)

// line is the record as Talos prints it.
func (r logRecord) line(booted time.Time) []byte {
	return fmt.Appendf(nil, "%s: %7s: [%s]: %s",
		r.facility(), levels[r.priority%uint64(len(levels))], booted.Add(r.at).UTC().Format(time.RFC3339Nano), r.message)
}

// facility is a number where it has no name: every process that may write to the log may make one up.
func (r logRecord) facility() string {
	number := r.priority >> 3
	if number < uint64(len(facilities)) && facilities[number] != "" {
		return facilities[number]
	}

	return strconv.FormatUint(number, 10)
}

// parseRecord reads what one read(2) of /dev/kmsg gives: "priority,sequence,microseconds,flags[,more];message".
func parseRecord(raw []byte) (logRecord, error) {
	head, message, found := bytes.Cut(raw, []byte(";"))
	fields := strings.Split(string(head), ",")

	if !found || len(fields) < 3 {
		return logRecord{}, errors.New("it does not begin with priority, sequence and time")
	}

	var numbers [3]uint64

	for i := range numbers {
		var err error
		if numbers[i], err = strconv.ParseUint(fields[i], 10, 64); err != nil {
			return logRecord{}, fmt.Errorf("%q is no number", fields[i])
		}
	}

	return logRecord{
		priority: numbers[0], sequence: numbers[1], at: time.Duration(numbers[2]) * time.Microsecond, message: unescape(message),
	}, nil
}

// unescape undoes the kernel's \x escapes where they stand for letters. What could move the cursor of a terminal stays as it
// is.
func unescape(message []byte) string {
	var b strings.Builder

	for len(message) > 0 {
		raw, taken := escaped(message)
		if taken == 0 {
			b.WriteByte(message[0])
			message = message[1:]

			continue
		}

		if letter, size := utf8.DecodeRune(raw); size == len(raw) && unicode.IsPrint(letter) && letter != utf8.RuneError {
			b.Write(raw)
		} else {
			b.Write(message[:taken])
		}

		message = message[taken:]
	}

	return b.String()
}

// escaped decodes the escapes of one character at the beginning, and tells how many bytes they take: 0 where none begins.
func escaped(message []byte) (raw []byte, taken int) {
	const length = len(`\x00`)

	for len(message) >= taken+length && bytes.HasPrefix(message[taken:], []byte(`\x`)) {
		value, err := strconv.ParseUint(string(message[taken+2:taken+length]), 16, 8)
		if err != nil {
			break
		}

		raw, taken = append(raw, byte(value)), taken+length

		if utf8.FullRune(raw) {
			break
		}
	}

	return raw, taken
}
