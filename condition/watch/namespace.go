package watch

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// inNamespace runs work on a thread that has entered the namespace. The thread is never used again, so a failure to leave
// cannot put other work of this process into the wrong namespace. A nil namespace means to stay where we are.
func inNamespace(namespace *os.File, kind int, work func() error) error {
	if namespace == nil {
		return work()
	}

	done := make(chan error)

	go func() { // the thread ends with this goroutine, because it stays locked
		runtime.LockOSThread()

		// The first thread of a process cannot end, and stands for the whole process in /proc: take another.
		if unix.Gettid() == unix.Getpid() {
			done <- inNamespace(namespace, kind, work)

			runtime.UnlockOSThread()

			return
		}

		if err := unix.Setns(int(namespace.Fd()), kind); err != nil {
			done <- fmt.Errorf("cannot enter namespace %q: %w", namespace.Name(), err)

			return
		}

		done <- work()
	}()

	return <-done
}
