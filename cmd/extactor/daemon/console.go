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
	ConsoleAuto   = "auto" // standard error; but the kernel log where nobody reads that: early in boot
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
		choice = chooseConsole(surroundings{
			unread: unread(stderr), journald: os.Getenv("JOURNAL_STREAM") != "",
			container: inContainer(), kernelLog: unix.Access(kernelLog, unix.W_OK) == nil,
		})
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

// surroundings are what the choice of a console depends on.
type surroundings struct {
	unread    bool // standard error leads nowhere, or to the console of the host
	journald  bool // the systemd journal reads standard error
	container bool // the kernel log is that of others
	kernelLog bool // it can be written
}

func chooseConsole(around surroundings) string {
	if around.unread && !around.journald && !around.container && around.kernelLog {
		return ConsoleKmsg
	}

	return ConsoleStderr
}

// unread tells whether standard error is what an init gives its services before anybody reads: nothing at all, /dev/null,
// the console of the host, or the kernel log itself. A terminal, a pipe, a socket or a file has its reader.
func unread(stderr *os.File) bool {
	var status unix.Stat_t
	if unix.Fstat(int(stderr.Fd()), &status) != nil {
		return true // closed
	}

	if status.Mode&unix.S_IFMT != unix.S_IFCHR {
		return false
	}

	switch status.Rdev {
	case unix.Mkdev(1, 3), unix.Mkdev(1, 11), unix.Mkdev(5, 1): // null, kmsg, console
		return true
	default:
		return false
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
