package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// So many internal errors within so long mean that what is in the journal leads to them.
const (
	crashLimit  = 3
	crashWindow = time.Minute
)

// crashes are the internal errors of the daemons of this boot: one moment of the boot clock on each line of a file.
type crashes struct{ path string }

func crashesIn(runDir string) crashes { return crashes{filepath.Join(runDir, "crashes")} }

// note adds a crash. It is called by a process that is about to end.
func (c crashes) note(now time.Duration) error {
	file, err := os.OpenFile(c.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("cannot note the internal error: %w", err)
	}

	_, err = fmt.Fprintln(file, int64(now))

	return errors.Join(err, file.Close())
}

// loop tells whether there were too many of late.
func (c crashes) loop(now time.Duration) bool {
	content, _ := os.ReadFile(c.path)
	recent := 0

	for line := range strings.Lines(string(content)) {
		moment, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err == nil && moment <= int64(now) && now-time.Duration(moment) <= crashWindow {
			recent++
		}
	}

	return recent >= crashLimit
}

func (c crashes) forget() error {
	if err := os.Remove(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	return nil
}

// journalFiles belong together: the database first, so that what is left alone is never taken for a journal.
var journalFiles = []string{"journal.db", "journal.db-wal", "journal.db-shm", "journal.head"}

// setJournalAside renames the journal, so that the next one begins anew, and returns the name of the database. It is empty
// where there is no journal.
func setJournalAside(stateDir string, at time.Time) (string, error) {
	mark := ".crashed-" + at.UTC().Format("20060102T150405Z")
	aside := filepath.Join(stateDir, journalFiles[0]+mark)

	for _, name := range journalFiles {
		// The companions of a database have its whole name and a suffix.
		suffix := strings.TrimPrefix(name, journalFiles[0])

		to := aside + suffix
		if suffix == name {
			to = filepath.Join(stateDir, name+mark)
		}

		err := os.Rename(filepath.Join(stateDir, name), to)

		switch {
		case err == nil:
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("cannot set the journal aside: %w", err)
		case name == journalFiles[0]:
			return "", nil
		}
	}

	return aside, nil
}

// breakCrashLoop lets a daemon that ended by internal errors again and again begin with a new journal, in which what runs
// is adopted.
func (d *daemon) breakCrashLoop() {
	found := crashesIn(d.options.RunDir)
	if !d.stateLocked || !found.loop(sinceBoot()) {
		return
	}

	aside, err := setJournalAside(d.options.StateDir, time.Now())
	if err != nil {
		d.console.log.Error().Err(err).Msg("the daemon ended by internal errors again and again")

		return
	}

	if err := found.forget(); err != nil {
		d.console.log.Warn().Err(err).Msg("cannot forget internal errors")
	}

	if aside == "" {
		return
	}

	d.console.log.Error().Str("journal", aside).Msgf("%d internal errors within %v: the journal is set aside, a new one "+
		"begins, and what runs is adopted; commands such as stop are forgotten", crashLimit, crashWindow)
}

// crash ends the process after an internal error; init starts the next daemon.
func (d *daemon) crash(reason any) {
	d.console.log.Error().Any("error", reason).Str("stack", string(debug.Stack())).Msg("internal error, the daemon ends; services go on")

	if err := crashesIn(d.options.RunDir).note(sinceBoot()); err != nil {
		d.console.log.Error().Err(err).Msg("internal error")
	}

	os.Exit(exitInternal)
}

func sinceBoot() time.Duration { return time.Duration(nanoseconds(unix.CLOCK_BOOTTIME)) }
