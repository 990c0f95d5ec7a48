package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/oci/logs/console"
)

// Where the console may be: what people look at while a host boots, or while an author tries an extension.
const (
	ConsoleAuto   = "auto" // the kernel log, but standard error on a terminal, in a container, or without a kernel log
	ConsoleKmsg   = "kmsg"
	ConsoleStderr = "stderr"
	ConsoleOff    = "off" // only the daemon's own warnings, to standard error
)

const kernelLog = "/dev/kmsg"

// consoles are where events and services' lines go.
type consoles struct {
	log   zerolog.Logger   // the daemon's own words, and events where they are shown
	lines *console.Console // lines of services with logToConsole; nil where they are not shown
}

// openConsole chooses the console.
func openConsole(choice string, stderr *os.File) (consoles, error) {
	if choice == ConsoleAuto || choice == "" {
		choice = ConsoleStderr
		if !isTerminal(stderr) && !inContainer() && unix.Access(kernelLog, unix.W_OK) == nil {
			choice = ConsoleKmsg
		}
	}

	switch choice {
	case ConsoleKmsg:
		lines, err := console.Kmsg(kernelLog)
		if err != nil {
			return consoles{}, err
		}

		return consoles{log: zerolog.New(console.KernelLog(kernelLog)), lines: lines}, nil
	case ConsoleStderr:
		return consoles{log: zerolog.New(pretty(stderr)).With().Timestamp().Logger(), lines: console.Stderr(stderr)}, nil
	case ConsoleOff:
		return consoles{log: zerolog.New(pretty(stderr)).With().Timestamp().Logger().Level(zerolog.WarnLevel)}, nil
	default:
		return consoles{}, fmt.Errorf("cannot write to console %q: it is one of auto, kmsg, stderr, off", choice)
	}
}

func pretty(to *os.File) io.Writer {
	zerolog.TimeFieldFormat = time.RFC3339Nano

	return zerolog.ConsoleWriter{
		Out: to, NoColor: !isTerminal(to) || os.Getenv("NO_COLOR") != "", TimeFormat: "15:04:05.000",
	}
}

func isTerminal(file *os.File) bool {
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)

	return err == nil
}

// inContainer follows systemd's container interface: a manager of containers sets "container" for PID 1.
func inContainer() bool {
	environment, err := os.ReadFile("/proc/1/environ")
	if err != nil {
		return false
	}

	for entry := range bytes.SplitSeq(environment, []byte{0}) {
		if bytes.HasPrefix(entry, []byte("container=")) {
			return true
		}
	}

	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}

	return false
}

// showEvents writes every event of this run to the console, as the journal takes it.
func (d *daemon) showEvents(subscription *journal.Subscription) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		for {
			record, err := subscription.Next(ctx)
			if errors.Is(err, journal.ErrClosed) || ctx.Err() != nil {
				return
			}

			if err == nil && record.Message != "" {
				d.console.log.WithLevel(recordLevel(record)).Msg(consoleText(record))
			}
		}
	}()

	d.onClose(func() {
		subscription.Close()
		cancel()
		<-ended
	})
}

func consoleText(record events.Record) string {
	if record.Service == "" {
		return record.Message
	}

	return fmt.Sprintf("service[%s](%s): %s", record.Service, record.State, record.Message)
}

func recordLevel(record events.Record) zerolog.Level {
	switch record.Event.GetKind().(type) {
	case *events.Event_ServiceFailed, *events.Event_ServiceQuarantined, *events.Event_SpecRejected, *events.Event_Gap:
		return zerolog.ErrorLevel
	case *events.Event_RestartScheduled, *events.Event_TaskLost, *events.Event_TaskDiscarded:
		return zerolog.WarnLevel
	default:
		return zerolog.InfoLevel
	}
}

// ConsoleChoices are the values of Options.Console, for help and errors.
func ConsoleChoices() string {
	return strings.Join([]string{ConsoleAuto, ConsoleKmsg, ConsoleStderr, ConsoleOff}, "|")
}
