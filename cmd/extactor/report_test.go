package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/journal"
)

// embedded is what the tests look at of a page.
type embedded struct {
	Format  string
	Version int
	Before  int
	Heading struct {
		Source  string
		Missing []string
	}
	Rows struct{ Seq []int }
}

// unpack reads what is embedded in a page.
func unpack(t *testing.T, page []byte) embedded {
	t.Helper()

	_, after, found := strings.Cut(string(page), `id="journal">`)
	packed, _, ended := strings.Cut(after, "</script>")

	content, err := base64.StdEncoding.DecodeString(packed)
	if err != nil || !found || !ended {
		t.Fatalf("the page has no journal: %v", err)
	}

	reader, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}

	var document embedded
	if err := json.NewDecoder(reader).Decode(&document); err != nil {
		t.Fatal(err)
	}

	return document
}

func (e embedded) last() int {
	last := 0
	for _, difference := range e.Rows.Seq {
		last += difference
	}

	return last
}

// A report is of what was asked for, and says what is missing; wrong input says what is right.
func TestReport(t *testing.T) {
	dir := recordedFile(t)
	damaged := recordedFile(t)
	damage(t, damaged)

	file := filepath.Join(t.TempDir(), "page.html")

	for _, test := range []struct {
		args        string
		rows, last  int
		missing     string
		stderr      string
		code        int
		intoTheFile bool
	}{
		{args: "-o -", rows: 8, last: 8},
		{args: "-o " + file, rows: 8, last: 8, stderr: "has 8 records of 1 service", intoTheFile: true},
		{args: "-o - --boot -1", rows: 5, last: 5},
		{args: "-o - --boot 0", rows: 6, last: 8}, // with three lines of EVENTS from before
		{args: "-o - --since boot:0 --until 7", rows: 5, last: 7},
		{args: "-o - --since -10s", rows: 5, last: 8},
		{args: "-o - --journal " + damaged, rows: 7, last: 8, missing: "record 3 is damaged and left out"},
		{args: "-o - --boot -7", stderr: "the journal has 2 (0 to -1)", code: exitFailed},
		{args: "-o - --since nonsense", stderr: "is no moment", code: exitUsage},
		{args: "-o - --until 2000-01-01", stderr: "nothing was recorded in this time", code: exitFailed},
		{args: "-o /nowhere/page.html", stderr: "cannot write the report: open /nowhere/page.html", code: exitFailed},
		{args: "-o - --journal /nowhere", stderr: "cannot open journal", code: exitFailed},
	} {
		t.Run(test.args, func(t *testing.T) {
			application, stdout, stderr := testApp()

			words := append([]string{"report"}, strings.Fields(test.args)...)
			if !strings.Contains(test.args, "--journal") {
				words = append(words, "--journal", dir)
			}

			if code := application.run(t.Context(), words); code != test.code || !strings.Contains(stderr.String(), test.stderr) {
				t.Fatalf("exit code is %d; stderr %q", code, stderr)
			}

			if test.code != exitDone {
				return
			}

			page := stdout.Bytes()

			if test.intoTheFile {
				var err error
				if page, err = os.ReadFile(file); err != nil || stdout.Len() > 0 {
					t.Fatalf("stdout %q, error %v", stdout, err)
				}
			}

			document := unpack(t, page)
			if len(document.Rows.Seq) != test.rows || document.last() != test.last || document.Format != "extactor-report" {
				t.Errorf("%d rows up to record %d", len(document.Rows.Seq), document.last())
			}

			if missing := strings.Join(document.Heading.Missing, "\n"); !strings.Contains(missing, test.missing) || test.missing == "" && missing != "" {
				t.Errorf("missing is %q", missing)
			}
		})
	}
}

// damage flips a byte of the record of the first start.
func damage(t *testing.T, dir string) {
	t.Helper()

	path := filepath.Join(dir, "journal.db")

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	at := bytes.LastIndex(content, []byte("Started task ext-a (PID 70)"))
	if at < 0 {
		t.Fatal("the record is not there")
	}

	content[at]++

	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A page says what the daemon's journal lost.
func TestMissing(t *testing.T) {
	reader, err := journal.OpenReadOnly(recordedFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()

	got, err := missing(t.Context(), reader, &apiv1.JournalStatusResponse{Losses: []string{"records 2 to 3: damaged"}})
	if err != nil {
		t.Fatal(err)
	}

	want := []string{"records 2 to 3: damaged"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
