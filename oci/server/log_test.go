package server

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The log lies in memory, and a service that crashes all the time adds to it each time.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "log")

	// As the daemon opens it, for the standard error of the server.
	other, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()

	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()

	largest, last := int64(0), ""

	for number := range 4 * mostLog / 100 {
		last = fmt.Sprintf("%099d\n", number)

		if _, err := log.Write([]byte(last)); err != nil {
			t.Fatal(err)
		}

		if number%1000 == 0 {
			fmt.Fprintln(other, "and somebody else")
		}

		information, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}

		largest = max(largest, information.Size())
	}

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	if largest < mostLog || largest > mostLog+1000 {
		t.Errorf("it had %d bytes, want about %d", largest, mostLog)
	}

	if !strings.HasSuffix(string(content), last) || bytes.IndexByte(content, 0) >= 0 || !bytes.Contains(content, []byte("somebody else")) {
		t.Errorf("it ends with %.200q", content[max(0, len(content)-200):])
	}

	if begin, _, _ := strings.Cut(string(content), "\n"); len(begin) != 99 && begin != "and somebody else" {
		t.Errorf("it begins with %q", begin)
	}
}
