package cgroup_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/extactor/extactor/oci/cgroup"
)

// What cannot be removed is named, with the processes that are in it, and not by each of its hierarchies. Where there is
// much of it, not all is.
func TestRemoveNamesWhatIsLeft(t *testing.T) {
	needRoot(t)

	path := fmt.Sprintf("/extactor-test-left-%d", os.Getpid())

	t.Cleanup(func() {
		if err := cgroup.Kill(context.Background(), path); err != nil {
			t.Error(err)
		}

		if err := cgroup.Remove(path); err != nil {
			t.Error(err)
		}
	})

	join := func(name string) int {
		pid := sleeper(t).Process.Pid
		if err := cgroup.Join(path+name, pid); err != nil {
			t.Fatal(err)
		}

		return pid
	}

	pid := join("/a/b")

	want := fmt.Sprintf(`cannot remove cgroup %q: device or resource busy (PID %d)`, path+"/a/b", pid)
	if err := cgroup.Remove(path); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}

	pids := []int{join("/c"), join("/c"), join("/c"), join("/c"), join("/c")}
	slices.Sort(pids)

	for _, name := range []string{"/d", "/e", "/f"} {
		join(name)
	}

	err := cgroup.Remove(path)
	if err == nil {
		t.Fatal("no error")
	}

	for _, want := range []string{fmt.Sprintf(`(PID %d, %d, %d and 2 more)`, pids[0], pids[1], pids[2]), `"` + path + `/d"`, "; and 2 more"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: is not told of: %s", err, want)
		}
	}
}
