package logs

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that was killed gives back its two locks one after the other: whoever comes in between has to wait a moment.
func TestLockOfADyingProcess(t *testing.T) {
	dir := newLog(t)
	dying, err := os.OpenFile(dir.lockPath(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(dying.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	dead := make(chan error, 1)
	time.AfterFunc(50*time.Millisecond, func() { dead <- dying.Close() })
	lock, err := acquire(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
	if err := <-dead; err != nil {
		t.Error(err)
	}
}
