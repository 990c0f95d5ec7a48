package console

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// newKmsg returns a console on a file in place of the kernel log, and what is in the file.
func newKmsg(t *testing.T) (*Console, func() []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kmsg")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	console, err := Kmsg(path)
	if err != nil {
		t.Fatal(err)
	}
	return console, func() []string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
}

func TestLinesAreTaggedAndSanitised(t *testing.T) {
	console, written := newKmsg(t)
	for _, line := range []string{
		"plain", "", " \t\r", "carriage return\r", "tab\there", "\x1b[2Jcleared\x00\x7f", "new\nline", "caf\u00e9", "bad\xff",
		"c1\u009b2J", "<0>panic",
	} {
		console.WriteLine("ext-a", []byte(line))
	}
	want := []string{
		"plain", "carriage return", "tab here", `\x1b[2Jcleared\x00\x7f`, `new\x0aline`, "caf\u00e9", "bad\uFFFD",
		`c1\x9b2J`, "<0>panic",
	}
	for i := range want {
		want[i] = "<6>extactor: [ext-a] " + want[i]
	}
	if diff := cmp.Diff(want, written()); diff != "" {
		t.Fatal(diff)
	}
}

func TestLongLinesAreSplitBetweenCharacters(t *testing.T) {
	console, written := newKmsg(t)
	const head = "<6>extactor: [ext-a] "
	for _, long := range []string{
		strings.Repeat("x", 5000), strings.Repeat("\u20ac", 1000), "a" + strings.Repeat("\U0001F600", 1000), strings.Repeat("y", 955),
	} {
		console.WriteLine("ext-a", []byte(long))
		var joined string
		for _, record := range written() {
			rest, tagged := strings.CutPrefix(record, head)
			if !tagged || len(record)+1 > recordSize || !utf8.ValidString(rest) {
				t.Fatalf("record of %d bytes: %q", len(record), record)
			}
			joined += rest
		}
		if !strings.HasSuffix(joined, long) {
			t.Fatalf("%d bytes were written as %d", len(long), len(joined))
		}
	}
}

func TestEachServiceIsLimitedAndToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		console, written := newKmsg(t)
		for i := range 150 {
			console.WriteLine("ext-loud", fmt.Append(nil, i))
		}
		console.WriteLine("ext-quiet", []byte("hello"))
		lines := written()
		if len(lines) != linesAtOnce+1 || lines[linesAtOnce] != "<6>extactor: [ext-quiet] hello" {
			t.Fatalf("%d lines were written, the last is %q", len(lines), lines[len(lines)-1])
		}
		<-time.After(2 * suppressedEvery) // virtual
		lines = written()[len(lines):]
		if diff := cmp.Diff([]string{"<6>extactor: [ext-loud] 50 lines suppressed"}, lines); diff != "" {
			t.Fatal(diff)
		}
		console.WriteLine("ext-loud", []byte("again"))
		for range linesAtOnce {
			console.WriteLine("ext-loud", []byte("more"))
		}
		if err := console.Close(); err != nil {
			t.Fatal(err)
		}
		lines = written()
		if last := lines[len(lines)-1]; last != "<6>extactor: [ext-loud] 1 lines suppressed" {
			t.Fatalf("the last line is %q", last)
		}
		<-time.After(2 * suppressedEvery)
		if now := written(); len(now) != len(lines) {
			t.Fatalf("it was said twice: %q", now[len(lines):])
		}
	})
}

func TestStderrGetsEveryLine(t *testing.T) {
	var text bytes.Buffer
	console := Stderr(&text)
	for range 1000 {
		console.WriteLine("ext-a", []byte("line\x1b\r"))
	}
	if want := strings.Repeat("[ext-a] line\\x1b\n", 1000); text.String() != want {
		t.Fatalf("got %q", text.String())
	}
}

func TestKmsgFailsWhereItCannotBeWritten(t *testing.T) {
	if _, err := Kmsg(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}

func TestKernelLogHasEveryLine(t *testing.T) {
	const path = "/dev/kmsg"
	if file, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
		file.Close()
	} else if os.Getenv("CI") == "true" {
		t.Fatalf("needs root: %v", err)
	} else {
		t.Skipf("SKIPPED: needs root: %v", err)
	}
	kernel, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(kernel)
	if _, err := unix.Seek(kernel, 0, unix.SEEK_END); err != nil {
		t.Fatal(err)
	}
	console, err := Kmsg(path)
	if err != nil {
		t.Fatal(err)
	}
	service := fmt.Sprintf("ext-test-%d", os.Getpid())
	var want []string
	for i := range 30 { // three times what the kernel takes through one open file
		line := fmt.Sprintf("line %d", i)
		want = append(want, line)
		console.WriteLine(service, []byte(line))
	}
	console.WriteLine(service, bytes.Repeat([]byte("x"), 2000))
	var got []string
	var long int
	buffer := make([]byte, 8192)
	for {
		n, err := unix.Read(kernel, buffer)
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		// "priority,sequence,time,flags;text" and, on lines of their own, a dictionary.
		prefix, text, _ := strings.Cut(string(buffer[:n]), ";")
		text, _, _ = strings.Cut(text, "\n")
		text, ours := strings.CutPrefix(text, "extactor: ["+service+"] ")
		switch {
		case !ours:
		case strings.HasPrefix(text, "xxx"):
			long += len(text)
		default:
			got = append(got, text)
			if priority, _, _ := strings.Cut(prefix, ","); priority != "14" { // user.info
				t.Errorf("the priority is %s", priority)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if long != 2000 {
		t.Fatalf("%d of 2000 bytes of the long line arrived", long)
	}
}
