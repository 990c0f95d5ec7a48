package api

import (
	"os"
	"testing"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// TestInfoTellsWhatTheDaemonTakes opens files and starts goroutines, and finds them counted.
func TestInfoTellsWhatTheDaemonTakes(t *testing.T) {
	h := start(t, newServices(), newJournal())

	before, err := h.Extactor.Info(t.Context(), &apiv1.InfoRequest{})
	if err != nil {
		t.Fatal(err)
	}

	const more = 50

	release := make(chan struct{})
	defer close(release)

	for range more {
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()

		go func() { <-release }()
	}

	after, err := h.Extactor.Info(t.Context(), &apiv1.InfoRequest{})
	if err != nil {
		t.Fatal(err)
	}

	if got := after.GetUsage().GetDescriptors() - before.GetUsage().GetDescriptors(); got != more {
		t.Errorf("%d descriptors more, want %d", got, more)
	}

	// Some of other tests may have ended meanwhile.
	if got := int(after.GetUsage().GetGoroutines()) - int(before.GetUsage().GetGoroutines()); got < more/2 {
		t.Errorf("%d goroutines more, want at least %d", got, more/2)
	}

	if usage := after.GetUsage(); usage.GetResidentBytes() < usage.GetHeapBytes() || usage.GetHeapBytes() == 0 || usage.GetThreads() == 0 {
		t.Errorf("usage %v does not add up", usage)
	}

	if after.GetPid() != uint32(os.Getpid()) || after.GetVersion() != "v1.2.3" {
		t.Errorf("info %v is not of this process", after)
	}
}
