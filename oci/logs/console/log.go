package console

import (
	"bytes"
	"io"
	"strings"

	"github.com/rs/zerolog"
)

// The kernel's priorities by level of the log; see syslog(3).
var priorities = map[zerolog.Level]string{
	zerolog.DebugLevel: "<7>", zerolog.InfoLevel: "<6>", zerolog.WarnLevel: "<4>", zerolog.ErrorLevel: "<3>",
	zerolog.FatalLevel: "<2>", zerolog.PanicLevel: "<2>",
}

// KernelLog returns a writer for a zerolog.Logger that makes each of its events a record of the kernel log, as text and
// with the priority of its level. The path is /dev/kmsg. What cannot be written is lost.
func KernelLog(path string) io.Writer { return kernelLog{path: path} }

type kernelLog struct{ path string }

// Write implements io.Writer for events without a level.
func (k kernelLog) Write(event []byte) (int, error) { return k.WriteLevel(zerolog.InfoLevel, event) }

// WriteLevel implements zerolog.LevelWriter.
func (k kernelLog) WriteLevel(level zerolog.Level, event []byte) (int, error) {
	var text bytes.Buffer

	format := zerolog.ConsoleWriter{
		Out: &text, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName, zerolog.LevelFieldName},
	}
	if _, err := format.Write(event); err != nil {
		return 0, err
	}

	priority, known := priorities[level]
	if !known {
		priority = informational
	}

	for _, record := range cut(priority+"extactor: ", strings.TrimSpace(sanitise(text.Bytes()))) {
		writeRecord(k.path, record)
	}

	return len(event), nil
}
