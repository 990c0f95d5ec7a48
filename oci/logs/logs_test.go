package logs

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const testID = "ext-hello-world"

// newLog makes a log below a directory of the test.
func newLog(t testing.TB) Dir {
	t.Helper()
	dir := In(t.TempDir())
	if err := Create(dir, testID); err != nil {
		t.Fatal(err)
	}
	return dir
}

// write puts segments into the directory of a log, as logd would have left them.
func writeSegments(t testing.TB, dir Dir, base uint64, texts ...string) {
	t.Helper()
	for _, text := range texts {
		path := segment{dir.segments(testID), base}.path()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		base += uint64(len(text))
	}
}

func readAll(t testing.TB, dir Dir, from uint64) string {
	t.Helper()
	reader, err := Open(dir, testID, from)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCreateMakesPrivateFilesAndIsIdempotent(t *testing.T) {
	dir := newLog(t)
	if err := Create(dir, testID); err != nil {
		t.Fatalf("second Create: %v", err)
	}
	for path, want := range map[string]os.FileMode{
		dir.FIFO(testID):     os.ModeNamedPipe | 0o600,
		dir.FIFOs:            os.ModeDir | 0o700,
		dir.Files:            os.ModeDir | 0o700,
		dir.segments(testID): os.ModeDir | 0o700,
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestCreateRefusesWhatIsNotAFIFO(t *testing.T) {
	dir := In(t.TempDir())
	if err := os.MkdirAll(dir.FIFOs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir.FIFO(testID), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Create(dir, testID); err == nil || !strings.Contains(err.Error(), "not a FIFO") {
		t.Fatalf("Create over a regular file: %v", err)
	}
	if _, err := Hold(dir, testID); err == nil {
		t.Fatal("Hold accepted a regular file")
	}
	for _, id := range []string{"", ".", "..", "../escape", "a/b"} {
		if err := Create(dir, id); err == nil {
			t.Errorf("Create accepted the id %q", id)
		}
	}
}

func TestHeldFIFOKeepsBytesWithoutReaderOrWriter(t *testing.T) {
	dir := newLog(t)
	held, err := Hold(dir, testID)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(dir.FIFO(testID), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	size, err := unix.FcntlInt(writer.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil || size < pipeSize {
		t.Fatalf("the pipe holds %d bytes (%v), want %d", size, err, pipeSize)
	}
	if _, err := writer.WriteString(strings.Repeat("x", 300_000)); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	fd, err := openFIFO(dir.FIFO(testID))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if waiting, err := unix.IoctlGetInt(fd, unix.TIOCINQ); waiting != 300_000 {
		t.Fatalf("%d bytes wait in the FIFO (%v), want 300000", waiting, err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRemoveKeepsSegments(t *testing.T) {
	dir := newLog(t)
	writeSegments(t, dir, 0, "kept\n")
	for range 2 {
		if err := Remove(dir, testID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(dir.FIFO(testID)); !os.IsNotExist(err) {
		t.Fatalf("the FIFO is still there: %v", err)
	}
	if got := readAll(t, dir, 0); got != "kept\n" {
		t.Fatalf("read %q", got)
	}
}

func TestCursorIsTheEndOfTheStream(t *testing.T) {
	dir := newLog(t)
	if got, err := Cursor(dir, testID); got != 0 || err != nil {
		t.Fatalf("a new log ends at %d (%v)", got, err)
	}
	writeSegments(t, dir, 1000, "one\n", "two\n", "")
	if got, err := Cursor(dir, testID); got != 1008 || err != nil {
		t.Fatalf("the log ends at %d (%v), want 1008", got, err)
	}
	if got, err := Cursor(dir, "ext-nobody"); got != 0 || err != nil {
		t.Fatalf("a log without files ends at %d (%v)", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir.segments(testID), "notes.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, dir, 0); got != "one\ntwo\n" {
		t.Fatalf("read %q", got)
	}
}

func TestLastLines(t *testing.T) {
	dir := newLog(t)
	writeSegments(t, dir, 100, "one\ntw", "o\nthree\n", "fo\xffur\nfive")
	for name, test := range map[string]struct {
		from  uint64
		limit int
		want  string
	}{
		"all":                        {0, 4096, "one\ntwo\nthree\nfo\uFFFDur\nfive"},
		"after a cursor":             {108, 4096, "three\nfo\uFFFDur\nfive"},
		"after a cursor in a line":   {105, 4096, "wo\nthree\nfo\uFFFDur\nfive"},
		"whole lines only":           {100, 9, "five"},
		"cut falls between lines":    {100, 4, "five"},
		"line longer than the limit": {100, 3, "ive"},
		"nothing new":                {124, 4096, ""},
		"beyond the end":             {5000, 4096, ""},
	} {
		got, err := LastLines(dir, testID, test.from, test.limit)
		if err != nil || got != test.want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, test.want)
		}
	}
	if got, err := LastLines(dir, "ext-nobody", 0, 4096); got != "" || err != nil {
		t.Errorf("a log without files: %q, %v", got, err)
	}
}

func TestList(t *testing.T) {
	dir := In(t.TempDir())
	if ids, err := List(dir); err != nil || len(ids) > 0 {
		t.Errorf("without any log there are %v, %v", ids, err)
	}
	for _, id := range []string{"ext-b", "ext-a"} {
		if err := Create(dir, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := Remove(dir, "ext-b"); err != nil { // what it has printed stays
		t.Fatal(err)
	}
	if ids, err := List(dir); err != nil || !slices.Equal(ids, []string{"ext-a", "ext-b"}) {
		t.Errorf("there are logs of %v, %v", ids, err)
	}
}
