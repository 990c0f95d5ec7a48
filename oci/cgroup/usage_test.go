package cgroup_test

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/extactor/extactor/oci/cgroup"
)

// TestMeasure lets a shell take memory and processor time in a control group, and finds both again.
func TestMeasure(t *testing.T) {
	needRoot(t)

	const taken = 24 << 20 // bytes

	parent := "/extactor-test-usage-" + strconv.Itoa(os.Getpid())
	// It waits until it is in the control group, reads that much into a variable, and waits to be killed.
	command := exec.Command("sh", "-c", `read go; memory=$(head -c `+strconv.Itoa(taken)+` /dev/zero | tr '\0' x); echo taken; read never`)

	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}

	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := command.Start(); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()

		if err := cgroup.Remove(parent); err != nil {
			t.Error(err)
		}
	})

	if err := cgroup.Join(parent+"/ext-a", command.Process.Pid); err != nil {
		t.Fatal(err)
	}

	before := measure(t, parent)

	if _, err := io.WriteString(input, "go\n"); err != nil {
		t.Fatal(err)
	}

	if _, err := io.ReadFull(output, make([]byte, len("taken\n"))); err != nil {
		t.Fatal(err)
	}

	after := measure(t, parent)

	if after.CPU <= before.CPU {
		t.Errorf("processor time before %v, after %v", before.CPU, after.CPU)
	}

	if after.Memory < before.Memory+taken || after.Memory > before.Memory+8*taken {
		t.Errorf("memory before %d, after %d, taken %d", before.Memory, after.Memory, taken)
	}
}

// measure also asks for a control group that is not there.
func measure(t *testing.T, parent string) cgroup.Usage {
	t.Helper()

	usages, err := cgroup.Measure(parent, []string{"ext-a", "ext-never"})
	if err != nil {
		t.Fatal(err)
	}

	usage, there := usages["ext-a"]
	if !there || len(usages) != 1 {
		t.Fatalf("measured %v", usages)
	}

	return usage
}
