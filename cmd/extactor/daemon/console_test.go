package daemon

import (
	"os"
	"path/filepath"
	"testing"
)

func TestConsoleIsTheKernelLogOnlyWhereNobodyReads(t *testing.T) {
	for around, want := range map[surroundings]string{
		{unread: true, kernelLog: true}:                  ConsoleKmsg,
		{unread: true}:                                   ConsoleStderr,
		{unread: true, kernelLog: true, container: true}: ConsoleStderr,
		{unread: true, kernelLog: true, journald: true}:  ConsoleStderr,
		{kernelLog: true}:                                ConsoleStderr,
		{}:                                               ConsoleStderr,
	} {
		if got := chooseConsole(around); got != want {
			t.Errorf("%+v: %s, want %s", around, got, want)
		}
	}
}

func TestWhoReadsStandardError(t *testing.T) {
	reader, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer pipe.Close()

	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()

	closed, err := os.Create(filepath.Join(t.TempDir(), "closed"))
	if err != nil {
		t.Fatal(err)
	}

	closed.Close()

	for stderr, want := range map[*os.File]bool{pipe: false, file: false, nowhere: true, closed: true} {
		if got := unread(stderr); got != want {
			t.Errorf("%s: %v", stderr.Name(), got)
		}
	}
}
