package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// recordedFile is the journal of two boots: a service fails in the first one and runs in the second. It returns the state
// directory.
func recordedFile(t *testing.T) string {
	t.Helper()

	dir := t.TempDir()

	for number, boot := range []string{otherBoot, testBoot} {
		j, err := journal.Open(journal.Options{Dir: dir, Identity: journal.Identity{Instance: "i", BootID: boot, RunID: boot}})
		if err != nil {
			t.Fatal(err)
		}

		began := testClock().wallNS + int64(number)*3600*second
		note := func(seconds int64, service, state string, facts ...events.Fact) {
			at := &events.Instant{WallNs: began + seconds*second, BootNs: (10 + seconds) * second}
			decision := events.Decision{Service: service, At: at}

			for _, fact := range facts {
				event := events.New(fact)
				decision.Entries = append(decision.Entries, events.Entry{Event: event, State: state, Attempt: 1, Message: events.Text(service, event)})
			}

			j.Append(decision)
		}

		note(0, "", "", &events.DaemonStarted{Version: "v1", BootId: boot, Pid: 7})
		note(0, "ext-a", events.StateInitialized, &events.SpecLoaded{BootId: boot, Lifecycle: &events.Lifecycle{Restart: "always"}})
		note(20, "ext-a", events.StateRunning, &events.TaskStarted{Attempt: 1, Pid: 70, Container: "ext-a"})

		if number == 0 {
			note(30, "ext-a", events.StateFailed, &events.TaskExited{Attempt: 1, Pid: 70, Exit: &events.Exit{Known: true, Code: 3}},
				&events.ServiceFailed{Reason: "exit code 3"})
		}

		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}

	return dir
}

// Every command that asks for the past answers from a file, which stays as it is; wrong input says what is right.
func TestPastOfAFile(t *testing.T) {
	dir := recordedFile(t)
	before := files(t, dir)

	for _, test := range []struct {
		args   string
		stdout []string // each is in it, in this order
		stderr string
		code   int
	}{
		{args: "events --boot -1 --kind taskexited", stdout: []string{"exited"}},
		{args: "events --service a --since 15s", stdout: []string{"PID 70"}},
		{args: "events --grep exit.code -o yaml", stdout: []string{"---", `kind: "ServiceFailed"`}},
		{args: "events --kind SpecLoaded --tail 1", stdout: []string{"Initialized", "SpecLoaded: the daemon took over ext-a"}},
		{args: "events --kind SpecLoaded --tail 1 -o json", stdout: []string{`"fact":{"lifecycle":{"restart":"always"},"bootId":`}},
		{args: "events --kind Snapshot", stdout: []string{"TIME"}},
		{args: "events --kind Nonsense", stderr: "kinds are: AttemptBegan", code: 1},
		{args: "events --boot -7", stderr: "the journal has 2 (0 to -1)", code: 1},
		{args: "events --since 1s --until 30s", stderr: "the time from which on events are wanted is after", code: 1},
		{args: "events --since 6 --until 5", stderr: "the time from which on events are wanted is after", code: 1},
		{args: "events --since 5 --until 5", stdout: []string{"TIME"}},
		{args: "events --tail -1 --service a --boot 0", stdout: []string{"Started task"}},
		{args: "events --since nonsense", stderr: "is no moment", code: 2},
		{args: "events --grep (", stderr: "is no regular expression", code: 1},
		{args: "events -f", stderr: "it is a file", code: 1},
		{args: "replay", stdout: []string{"ext-a", "Running", "0s ago"}, stderr: "after event 8"},
		{args: "replay --at -5s", stdout: []string{"ext-a", "Initialized"}},
		{args: "replay --at 2026-01-02T03:04:30Z", stdout: []string{"ext-a", "Running", "5s ago"}},
		{args: "replay --at boot:-1", stdout: []string{"SERVICE"}, stderr: "after event 1"},
		{args: "replay --at 2026-01-02T03:05:00Z a", stdout: []string{"STATE     Failed", "exit code 3", "(25s ago)"}},
		{args: "replay --at 2000-01-01", stderr: "the journal begins later, with record 1", code: 1},
		{args: "replay --diff 3 --at 5", stdout: []string{"state", "Running", "Failed"}},
		{args: "replay --follow --from boot:-1 --speed max", stdout: []string{"Running", "Failed", "Initialized", "Running"}},
		{args: "replay --diff 3 5", stdout: []string{"state", "Running", "Failed"}},
		{args: "replay --diff 3 5 a", stdout: []string{"ext-a", "state", "Running", "Failed"}},
		{args: "replay --at 9", stderr: "there is no event 9 yet; the newest is 8", code: 1},
		{args: "explain a --at 9", stderr: "there is no event 9 yet; the newest is 8", code: 1},
		{args: "replay --follow --from 5 --to 3", stderr: "is after the one at which to end", code: 1},
		{args: "replay --speed 2x", stderr: "--speed is how fast --follow plays", code: 2},
		{args: "replay --check --at 3", stderr: "it takes no --at", code: 2},
		{args: "replay --follow --speed 0", stderr: "is not a speed", code: 2},
		{args: "replay --at 3 nope", stderr: "was not known then; known were: ext-a", code: 1},
		{args: "journal info", stdout: []string{"1 to 8", "ext-a", "-1", otherBoot, "0", testBoot}},
		{args: "journal verify", stdout: []string{"8 records read: all of it is sound"}},
		{args: "journal export", stdout: []string{`"format":"extactor-journal","version":1`, `"end":true,"records":8`}},
	} {
		t.Run(test.args, func(t *testing.T) {
			application, stdout, stderr := testApp()

			code := application.run(t.Context(), append(strings.Fields(test.args), "--journal", dir))
			if code != test.code {
				t.Errorf("exit code is %d; stderr %q", code, stderr)
			}

			rest := stdout.String()
			for _, part := range test.stdout {
				_, after, found := strings.Cut(rest, part)
				if !found {
					t.Fatalf("%q is not in its place in %q; stderr %q", part, stdout, stderr)
				}

				rest = after
			}

			if !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("stderr is %q", stderr)
			}
		})
	}

	if after := files(t, dir); after != before {
		t.Errorf("the files were changed: %s, before %s", after, before)
	}
}

// What is not a whole journal is told by what there is of it, and what is missing is said by each command.
func TestPartsOfAJournal(t *testing.T) {
	whole := recordedFile(t)
	dir := t.TempDir()
	t.Chdir(dir)

	for _, name := range []string{"journal.db", "journal.db-wal"} {
		content, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}

		alone := filepath.Join(dir, strings.ReplaceAll(name, ".", "-"))
		if err := errors.Join(os.Mkdir(alone, 0o700), os.WriteFile(filepath.Join(alone, name), content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}

	if err := unix.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}

	missing := "its write-ahead log (journal.db-wal) is not there: what was written last may be missing"

	for _, test := range []struct {
		args   string
		output string
		code   int
	}{
		{"events --journal journal-db", missing, exitDone},
		{"replay --journal journal-db", missing, exitDone},
		{"replay --check --journal journal-db", missing, exitDone},
		{"explain a --journal journal-db", missing, exitDone},
		{"plot --journal journal-db", missing, exitDone},
		{"graph --journal journal-db", missing, exitDone},
		{"report -o - --journal journal-db", "extactor: " + missing, exitDone},
		{"journal info --journal journal-db", missing, exitDone},
		{"journal verify --journal journal-db", missing, exitFailed},
		{"journal export --journal journal-db", missing, exitDone},
		{"journal backup b.db --journal journal-db", missing, exitDone},
		{"journal export whole.jsonl --journal " + whole, "8 records exported", exitDone},
		{"journal export whole.jsonl --journal " + whole, `"whole.jsonl": the file exists, and is never replaced`, exitFailed},
		{"journal import whole.jsonl again.db", "8 records imported into again.db", exitDone},
		{"journal import whole.jsonl again.db", `"again.db": the file exists, and is never replaced`, exitFailed},
		{"journal verify --journal again.db", "8 records read: all of it is sound", exitDone},
		{"events --journal journal-db-wal", "journal-db-wal/journal.db\": it is empty", exitFailed},
		{"events --journal journal-db-wal/journal.db-wal", "only a file beside it; that is journal.db", exitFailed},
		{"events --journal pipe", "\"pipe\": it is not a regular file", exitFailed},
		{"events --journal /dev/zero", "it is not a regular file", exitFailed},
		{"events --journal none", "none: no such file or directory", exitFailed},
		{"events --journal=", "--journal is empty; it is a file, or a state directory", exitUsage},
		{"events --socket /nowhere", "for a journal without a daemon: --journal " + defaultStateDir, exitFailed},
	} {
		stdout, stderr, code := called(t, strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(stdout+stderr, test.output) {
			t.Errorf("%s: exit %d, want %d and %q in\n%s%s", test.args, code, test.code, test.output, stdout, stderr)
		}
	}
}

// A record that is not what was written is left out, and each command that reads it says so.
func TestDamagedRecordIsMissed(t *testing.T) {
	path := filepath.Join(recordedFile(t), "journal.db")

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	at := bytes.LastIndex(content, []byte("Started task ext-a"))
	if at < 0 {
		t.Fatal("the record is not there")
	}

	content[at] = 's'
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}

	for _, args := range []string{"events", "replay", "replay --check", "explain a", "plot", "graph", "journal verify", "journal export"} {
		stdout, stderr, _ := called(t, append(strings.Fields(args), "--journal", path)...)
		if text := stdout + stderr; !strings.Contains(text, "is damaged") && !strings.Contains(text, "damaged and left out: 1") {
			t.Errorf("%s:\n%s", args, text)
		}
	}
}

// fullDisk keeps a journal whose last records are in memory only.
type fullDisk struct {
	api.Keeper
	path string
}

func (f fullDisk) Status() *apiv1.JournalStatusResponse {
	return &apiv1.JournalStatusResponse{Path: f.path, Problem: "the disk is full", Buffered: 3, Since: &apiv1.Moment{WallNs: 1}}
}

// What the daemon could not write yet is in no copy of its journal, which whoever works on one is told.
func TestRecordsInMemoryAreMissed(t *testing.T) {
	house := furnished()
	house.keeper = fullDisk{path: filepath.Join(recordedFile(t), "journal.db")}
	socket := house.open(t)

	for _, args := range []string{"replay --check", "journal export", "journal info", "journal verify"} {
		stdout, stderr, _ := called(t, append(strings.Fields(args), "--socket", socket)...)
		if text := stdout + stderr; !strings.Contains(text, "the disk is full") || !strings.Contains(text, "3 records") {
			t.Errorf("%s:\n%s", args, text)
		}
	}
}

// A copy is private, and as large as the journal: it does not stay behind where whoever reads the output goes away, or where
// somebody interrupts.
func TestTheCopyIsDeletedWhateverEndsTheProgram(t *testing.T) {
	dir := recordedFile(t)

	for name, end := range map[string]func(*exec.Cmd, io.Closer) error{
		"nobody reads": func(_ *exec.Cmd, output io.Closer) error { return output.Close() },
		"interrupted":  func(command *exec.Cmd, _ io.Closer) error { return command.Process.Signal(os.Interrupt) },
		"ended":        func(command *exec.Cmd, _ io.Closer) error { return command.Process.Signal(unix.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			scratch := t.TempDir()
			// Two boots are an hour apart: the replay stands still for some seconds between them, and then goes on to write.
			command := program(t, []string{"TMPDIR=" + scratch}, "replay", "--follow", "--from", "boot:-1", "--speed", "1x", "--journal", dir)

			command.Stderr = os.Stderr
			output, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}

			if err := command.Start(); err != nil {
				t.Fatal(err)
			}

			if _, err := io.ReadFull(output, make([]byte, len("SERVICE"))); err != nil {
				t.Fatal(err)
			}

			if copies, err := os.ReadDir(scratch); err != nil || len(copies) != 1 {
				t.Fatalf("meanwhile there are %d copies: %v", len(copies), err)
			}

			if err := end(command, output); err != nil {
				t.Fatal(err)
			}

			if err := command.Wait(); err == nil {
				t.Error("it went on to its end")
			}

			if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
				t.Errorf("%d copies stay behind: %v", len(left), err)
			}
		})
	}
}

// files are the contents of a directory.
func files(t *testing.T, dir string) string {
	t.Helper()

	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}

	var all strings.Builder

	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}

		all.WriteString(name)
		all.Write(content)
	}

	return all.String()
}
