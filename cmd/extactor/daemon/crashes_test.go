package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestOnlyManyCrashesOfLateAreALoop(t *testing.T) {
	noted := crashesIn(t.TempDir())
	if noted.loop(time.Hour) {
		t.Error("a loop without any crash")
	}

	for index, step := range []struct {
		at   time.Duration
		loop bool
	}{{100 * time.Second, false}, {150 * time.Second, false}, {161 * time.Second, false}, {200 * time.Second, true}} {
		if err := noted.note(step.at); err != nil {
			t.Fatal(err)
		}

		if got := noted.loop(step.at); got != step.loop {
			t.Errorf("after crash %d: %v", index, got)
		}
	}

	if noted.loop(300*time.Second) || noted.loop(time.Second) { // long after it, and in another boot
		t.Error("a loop of what is not of late")
	}

	if err := noted.forget(); err != nil || noted.loop(200*time.Second) {
		t.Errorf("not forgotten: %v", err)
	}
}

func TestCrashLoopSetsTheJournalAside(t *testing.T) {
	var said bytes.Buffer

	d := &daemon{
		options: Options{RunDir: t.TempDir(), StateDir: t.TempDir()}, stateLocked: true,
		console: consoles{log: zerolog.New(&said)},
	}

	for _, name := range append(slices.Clone(journalFiles), "key") {
		if err := os.WriteFile(filepath.Join(d.options.StateDir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	for crashes := range crashLimit + 1 {
		d.breakCrashLoop()

		if _, err := os.Stat(filepath.Join(d.options.StateDir, "journal.db")); (err == nil) != (crashes < crashLimit) {
			t.Errorf("the journal after %d crashes: %v", crashes, err)
		}

		if err := crashesIn(d.options.RunDir).note(sinceBoot()); err != nil {
			t.Fatal(err)
		}
	}

	var left []string

	entries, err := os.ReadDir(d.options.StateDir)
	if err != nil {
		t.Fatal(err)
	}

	for _, entry := range entries {
		before, rest, _ := strings.Cut(entry.Name(), ".crashed-")
		_, suffix, _ := strings.Cut(rest, "-")
		left = append(left, strings.TrimSuffix(before+" "+suffix, " "))
	}

	if want := []string{"journal.db", "journal.db shm", "journal.db wal", "journal.head", "key"}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}

	if strings.Count(said.String(), "set aside") != 1 {
		t.Errorf("said %q", said.String())
	}
}
