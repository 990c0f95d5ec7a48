package journal_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// childEnv makes the test binary another process that works on a journal: it says how, and on which state directory.
const childEnv = "JOURNAL_TEST_CHILD"

var children = map[string]func(dir string){"append": appendForEver, "hold": holdLock, "read": readBeside}

func TestMain(m *testing.M) {
	if name, dir, child := strings.Cut(os.Getenv(childEnv), ":"); child {
		children[name](dir)
		os.Exit(0)
	}

	os.Exit(m.Run())
}

// child prepares another process.
func child(t *testing.T, name, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()

	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childEnv+"="+name+":"+dir)
	command.Stderr = os.Stderr

	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	return command, bufio.NewScanner(output)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}

	return value
}

// appendForEver says on its output what was recorded.
func appendForEver(dir string) {
	// It must not be thousands of records ahead of who listens: each of them is read again in every later round.
	must(unix.FcntlInt(os.Stdout.Fd(), unix.F_SETPIPE_SZ, 4096))

	identity := journal.Identity{Instance: "i", BootID: "b", RunID: strconv.Itoa(os.Getpid())}

	j, err := journal.Open(journal.Options{Dir: dir, Identity: identity}.WithPatience(time.Minute))
	if err != nil {
		panic(err)
	}

	for number := 0; ; number++ {
		receipt := j.Append(journaltest.Decision("ext-a", number))
		if receipt.Outcome != events.Recorded {
			panic(j.Status().Reason)
		}

		fmt.Println(receipt.Last())
	}
}

func TestKilled(t *testing.T) {
	t.Parallel()

	dir := filepath.Join(t.TempDir(), "state")
	acknowledged := uint64(0)

	for round := range 20 {
		acknowledged = killWriter(t, dir, 10+3*round)

		j := open(t, journal.Options{Dir: dir})
		if status := j.Status(); status.Degraded || len(status.Losses) > 0 {
			t.Fatalf("round %d: %+v", round, status)
		}

		seqs := sequences(t, j, "ext-a")
		if uint64(len(seqs)) < acknowledged {
			t.Fatalf("round %d: %d records are there, %d were acknowledged", round, len(seqs), acknowledged)
		}

		expectSequences(t, j, "ext-a", count(1, uint64(len(seqs))))

		if len(seqs)%3 != 0 {
			t.Fatalf("round %d: %d records are no whole decisions", round, len(seqs))
		}

		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killWriter starts a writer, kills it after some appends and returns the last sequence that it was told is recorded.
func killWriter(t *testing.T, dir string, appends int) uint64 {
	t.Helper()

	writer, lines := child(t, "append", dir)
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}

	last, err := uint64(0), error(nil)

	for number := 0; lines.Scan(); number++ {
		if last, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatalf("the writer says %q", lines.Text())
		}

		if number == appends { // and read what it had said before it died
			if err := writer.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}

	_ = writer.Wait() // it was killed

	if last == 0 {
		t.Fatal("the writer wrote nothing")
	}

	return last
}

// holdLock takes the lock of a database as a tool would, until its input ends.
func holdLock(dir string) {
	database := must(sql.Open("sqlite", filepath.Join(dir, "journal.db")))
	connection := must(database.Conn(context.Background()))
	must(connection.ExecContext(context.Background(), "BEGIN IMMEDIATE"))

	fmt.Println("held")
	must(io.Copy(io.Discard, os.Stdin))
	must(connection.ExecContext(context.Background(), "ROLLBACK"))

	if err := database.Close(); err != nil {
		panic(err)
	}
}

// readBeside says what a reader finds.
func readBeside(dir string) {
	reader := must(journal.OpenReadOnly(filepath.Join(dir, "journal.db")))

	fmt.Println(must(reader.Services()))

	for _, record := range must(reader.Tail("ext-a", 5)) {
		fmt.Println(record.Message)
	}

	rows := 0
	if err := reader.Replay("ext-a", func(events.Record) bool { rows++; return true }); err != nil {
		panic(err)
	}

	fmt.Println(rows, len(reader.Damaged()))

	if err := reader.Close(); err != nil {
		panic(err)
	}
}
