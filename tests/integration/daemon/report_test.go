package daemon_test

import (
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A report, of a daemon that runs and of the file of one that does not, holds how a service failed, and no value that the
// service was given, though it prints them all.
func TestReportHoldsNoSecret(t *testing.T) {
	t.Parallel()

	const variable, content = "the-variable-nobody-sees", "the-content-nobody-sees"

	h := newHost(t)
	h.service("fed", "restart: never\ndepends: [{configuration: true}]", "environment", "WORD", "file", "/word", "print", "that was it", "exit", "3")

	d := h.start()
	h.cli("config", "apply", "-f", h.document("fed", variable, content)).done(t)
	d.event(t, 0, "ext-fed", `Failed to run service.*`)

	check := func(page string) {
		t.Helper()

		held := page + unpacked(t, page)
		if !strings.Contains(held, `[redacted]\n[redacted]\nthat was it`) {
			t.Errorf("the page does not have the last lines: %s", held)
		}

		for _, secret := range []string{variable, content} {
			if strings.Contains(held, secret) {
				t.Errorf("the page holds %q", secret)
			}
		}
	}

	check(h.cli("report", "-o", "-").done(t))

	// What it printed is another thing, and only there for who asks for it.
	if held := unpacked(t, h.cli("report", "-o", "-", "--logs", "2").done(t)); !strings.Contains(held, `"logs":{"ext-fed":["`+content+`","that was it"]}`) {
		t.Errorf("the page does not have the log that was asked for: %s", held)
	}

	h.end(unix.SIGTERM)
	check(h.cli("report", "-o", "-", "--journal", h.state).done(t))
}

// While the disk is full, a report has what the daemon keeps in memory, and says so.
func TestReportOfAFullDisk(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	must(t, os.MkdirAll(h.state, 0o700))
	must(t, unix.Mount("tmpfs", h.state, "tmpfs", 0, "mode=0700,size=3m"))
	t.Cleanup(func() { must(t, unix.Unmount(h.state, unix.MNT_DETACH)) })

	h.service("web", "restart: always", "serve")
	d := h.start()
	first := d.started(t, 0, "ext-web")

	if err := os.WriteFile(filepath.Join(h.state, "fill"), make([]byte, 4<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}

	h.cli("service", "web", "restart").done(t)
	second := d.started(t, first.GetSeq(), "ext-web")
	d.event(t, 0, "journal", `Keeping events in memory.*`)

	made := h.cli("report", "-o", "-")
	if made.code != 0 || !strings.Contains(made.stderr, "is from the daemon's memory") {
		t.Fatalf("exit code %d, stderr:\n%s", made.code, made.stderr)
	}

	held := unpacked(t, made.stdout)
	for _, want := range []string{first.GetMessage(), second.GetMessage(), "from the daemon's memory"} {
		if !strings.Contains(held, want) {
			t.Errorf("the page does not have %q: %s", want, held)
		}
	}

	must(t, os.Remove(filepath.Join(h.state, "fill")))
}

// unpacked is what is embedded in a page.
func unpacked(t *testing.T, page string) string {
	t.Helper()

	_, after, _ := strings.Cut(page, `id="journal">`)
	packed, _, _ := strings.Cut(after, "</script>")

	reader, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(packed)))
	must(t, err)

	held, err := io.ReadAll(reader)
	must(t, err)

	return string(held)
}
