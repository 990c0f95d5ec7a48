package daemon_test

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A daemon that cannot read its files for a while, here for want of descriptors, takes none of them for removed, and reads
// them once it can, without another change.
func TestFilesThatCannotBeReadForAWhile(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("steady", "restart: always", "serve")

	d := h.start()
	d.started(t, 0, "ext-steady")

	pid := d.state(t, "ext-steady", "Running").GetPid()
	before := d.now(t)

	var usual unix.Rlimit

	must(t, unix.Prlimit(d.pid, unix.RLIMIT_NOFILE, nil, &usual))
	must(t, unix.Prlimit(d.pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: usual.Max}, nil))
	h.signal(unix.SIGHUP) // no change of a file has it read them
	d.event(t, before, "ext-steady", "Skipped .*, which has a problem: cannot read directory: too many open files")

	must(t, unix.Prlimit(d.pid, unix.RLIMIT_NOFILE, &usual, nil))

	now := d.status(t, "ext-steady", "its file to be read", func(now *service) bool { return now.GetFileProblem() == "" })
	if now.GetPid() != pid {
		t.Errorf("it was not left alone: %v", now)
	}
}
