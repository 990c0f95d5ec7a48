package journal_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
	"github.com/extactor/extactor/journal/journaltest"
)

// writerEnv makes the test binary a daemon that appends until it is killed, to the state directory it names.
const writerEnv = "JOURNAL_TEST_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerEnv); dir != "" {
		appendForEver(dir)
	}

	os.Exit(m.Run())
}

// appendForEver says on its output what was recorded.
func appendForEver(dir string) {
	j, err := journal.Open(journal.Options{Dir: dir, Identity: journal.Identity{Instance: "i", BootID: "b", RunID: strconv.Itoa(os.Getpid())}})
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
		acknowledged = killWriter(t, dir, 10+11*round)

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

	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), writerEnv+"="+dir)
	writer.Stderr = os.Stderr

	output, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}

	last := uint64(0)
	lines := bufio.NewScanner(output)

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

// hold takes the write lock of a database as a tool would.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()

	database, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}

	transaction, err := database.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if _, err := transaction.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}

	return func() {
		if _, err := transaction.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Error(err)
		}

		_ = transaction.Close()
		_ = database.Close()
	}
}
