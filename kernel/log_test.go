package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

func TestRecords(t *testing.T) {
	booted := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

	for raw, want := range map[string]string{
		"6,339,5140900,-;NET: Registered PF_INET6\n":               "kern:    info: [2026-01-02T03:04:10.1409Z]: NET: Registered PF_INET6\n",
		"30,340,5690716,-,caller=T1;a;b,c\n":                       "daemon:    info: [2026-01-02T03:04:10.690716Z]: a;b,c\n",
		"4,1,0,-;pci: found\n SUBSYSTEM=pci\n DEVICE=+pci:0000\n":  "kern: warning: [2026-01-02T03:04:05Z]: pci: found\n SUBSYSTEM=pci\n DEVICE=+pci:0000\n",
		"131,1,0,c;local\n":                                        "local0:     err: [2026-01-02T03:04:05Z]: local\n",
		"190,1,0,-;local\n":                                        "local7:    info: [2026-01-02T03:04:05Z]: local\n",
		"104,1,0,-;nobody's\n":                                     "13:   emerg: [2026-01-02T03:04:05Z]: nobody's\n",
		"1016,1,0,-;made up\n":                                     "127:   emerg: [2026-01-02T03:04:05Z]: made up\n",
		"18446744073709551615,1,0,-;\n":                            "2305843009213693951:   debug: [2026-01-02T03:04:05Z]: \n",
		`6,1,0,-;back\x5cslash \xc3\xa9 \xe2\x82\xac` + "\n":       "kern:    info: [2026-01-02T03:04:05Z]: back\\slash é €\n",
		`6,1,0,-;\x1b[31m \x0a\x07\x7f \xff \xc3( \xc3\x28` + "\n": `kern:    info: [2026-01-02T03:04:05Z]: \x1b[31m \x0a\x07\x7f \xff \xc3( \xc3\x28` + "\n",
		`6,1,0,-;\x \x1 \xzz \` + "\n":                             `kern:    info: [2026-01-02T03:04:05Z]: \x \x1 \xzz \` + "\n",
	} {
		record, err := parseRecord([]byte(raw))
		if err != nil {
			t.Errorf("%q: %v", raw, err)
		}

		if got := string(record.line(booted)); got != want {
			t.Errorf("%q is\n%s not\n%s", raw, got, want)
		}
	}

	for _, raw := range []string{"", ";", "6;x", "6,1;x", "six,1,0,-;x", "6,-1,0,-;x", "6,1,0,-"} {
		if record, err := parseRecord([]byte(raw)); err == nil {
			t.Errorf("%q is %v", raw, record)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte("6,339,5140900,-,caller=T1;NET: \\x5cPF\\xc3\\xa9\n KEY=value\n"))
	f.Add([]byte("1016,18446744073709551615,9223372036854775807,-;\\x1b\\xff\\x\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		record, err := parseRecord(raw)
		if err != nil {
			return
		}

		line := record.line(time.Unix(0, 0))
		if !bytes.HasSuffix(line, []byte(record.message)) {
			t.Errorf("%q is told as %q", raw, line)
		}

		// The kernel escapes all that is not plain ASCII; undoing that adds letters and nothing else.
		for _, letter := range strings.Map(func(r rune) rune {
			if bytes.ContainsRune(raw, r) {
				return -1
			}

			return r
		}, record.message) {
			if letter < ' ' || letter == 0x7f || letter == utf8.RuneError && utf8.Valid(raw) {
				t.Errorf("%q becomes %q", raw, record.message)
			}
		}
	})
}

// The real log: what is written to it is there, on demand and while it is followed, whoever it says that it comes from.
func TestRealLog(t *testing.T) {
	h := New()

	kernel, err := os.OpenFile(h.log, os.O_WRONLY, 0)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs a kernel log that can be written to: ", err)
		}

		t.Skip("SKIPPED: needs a kernel log that can be written to: ", err)
	}
	defer kernel.Close()

	mark := fmt.Sprintf("extactor test %d %d", os.Getpid(), time.Now().UnixNano())

	write := func(format string) {
		t.Helper()

		_, err := fmt.Fprintf(kernel, format, mark)
		must(t, err)
	}

	write("<1016>%s before\n") // a facility that nobody has named

	var lines []string

	must(t, h.Log(t.Context(), false, false, func(line []byte) error {
		if strings.Contains(string(line), mark) {
			lines = append(lines, string(line))
		}

		return nil
	}))

	if len(lines) != 1 || !strings.HasPrefix(lines[0], "127:   emerg: [") || !strings.HasSuffix(lines[0], "]: "+mark+" before\n") {
		t.Errorf("the log has %q", lines)
	}

	must(t, h.Log(t.Context(), false, true, func(line []byte) error {
		t.Errorf("after its end the log has %q", line)

		return nil
	}))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	seen := make(chan string, 100)
	ended := make(chan error, 1)

	go func() {
		ended <- h.Log(ctx, true, false, func(line []byte) error {
			if strings.Contains(string(line), mark) {
				seen <- string(line)
			}

			return nil
		})
	}()

	await := func(what string) {
		t.Helper()

		select {
		case line := <-seen:
			if !strings.Contains(line, mark+" "+what) {
				t.Errorf("%q came before %s", line, what)
			}
		case err := <-ended:
			t.Fatalf("it ended before %s: %v", what, err)
		}
	}

	await("before")
	write("<12>%s after\n")
	await("after")
	cancel()

	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}

	failure := errors.New("the client is gone")
	if err := h.Log(t.Context(), true, false, func([]byte) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("it ended with %v", err)
	}
}

func TestNoLog(t *testing.T) {
	h := New()
	h.log = "/nonexistent"

	if err := h.Log(t.Context(), true, true, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// Records that were overwritten before they were read are counted.
func TestLostRecords(t *testing.T) {
	var ends [2]int

	must(t, unix.Pipe2(ends[:], unix.O_DIRECT|unix.O_CLOEXEC)) // each write is read as one record

	defer unix.Close(ends[0])
	defer unix.Close(ends[1])

	for _, record := range []string{"6,41,0,-;one\n", "6,42,0,-;two\n", "6,50,0,-;three\n"} {
		_, err := unix.Write(ends[1], []byte(record))
		must(t, err)
	}

	h := New()
	h.log = fmt.Sprintf("/proc/self/fd/%d", ends[0])

	var lines []string

	must(t, h.Log(t.Context(), false, false, func(line []byte) error {
		_, text, _ := strings.Cut(string(line), "]: ")
		lines = append(lines, text)

		return nil
	}))
	equal(t, lines, []string{"one\n", "two\n", "7 records were overwritten before they were read\n", "three\n"})

	_, err := unix.Write(ends[1], []byte("nonsense\n"))
	must(t, err)

	if err := h.Log(t.Context(), false, false, nil); err == nil || !strings.Contains(err.Error(), "cannot understand a record") {
		t.Errorf("%v", err)
	}
}
