package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/oci/logs"
	"github.com/extactor/extactor/spec"
)

// Nobody removes the FIFO of a service that is never started.
func TestLinesMakeNoFIFO(t *testing.T) {
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()

	console, err := openConsole(ConsoleStderr, stderr)
	if err != nil {
		t.Fatal(err)
	}

	dir := logs.In(t.TempDir())
	shown := newLines(dir, console, false)
	shown.follow([]*spec.Service{{Name: "waiting", LogToConsole: true}})
	shown.close()

	if found, err := os.ReadDir(dir.FIFOs); len(found) > 0 || err != nil && !os.IsNotExist(err) {
		t.Errorf("there are %v, %v", found, err)
	}

	if _, err := os.Stat(filepath.Join(dir.Files, "ext-waiting")); err != nil {
		t.Errorf("its lines are not followed: %v", err)
	}

	if said, err := os.ReadFile(stderr.Name()); len(said) > 0 || err != nil {
		t.Errorf("it says %q, %v", said, err)
	}
}
