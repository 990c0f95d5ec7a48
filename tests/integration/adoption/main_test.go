// Package adoption_test takes over what earlier daemons left: a daemon is put together in the test from the shipped parts
// (actors, journal on SQLite, container runtime, containerd), it dies at a chosen moment, and the next one goes on from
// the journal as the death left it and from the containers as they are.
package adoption_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/oci/server"
)

// What is built once for all tests.
var (
	programPath string // the static program that containers run
	shimPath    string
)

// TestMain is also the embedded containerd: the tests start this very executable again.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "containerd" {
		if err := server.Run(context.Background(), server.Config{RunDir: os.Args[2]}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}

		return
	}

	// They wait for each other's containers more than they compute.
	flag.Parse()
	_ = flag.Set("test.parallel", "5")

	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "these tests need root")

			return 1
		}

		fmt.Println("SKIPPED: needs root: containers cannot be started")

		return 0
	}

	directory, err := os.MkdirTemp("", "extactor-build-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}
	defer os.RemoveAll(directory)

	programPath = filepath.Join(directory, "program")
	shimPath = filepath.Join(directory, oci.ShimName)
	wanted := map[string]string{programPath: "./testdata/program"}

	// As "make build" leaves it in bin.
	if built := os.Getenv("EXTACTOR_BIN"); built != "" {
		shimPath = filepath.Join(built, oci.ShimName)
	} else {
		wanted[shimPath] = "../../../cmd/" + oci.ShimName
	}

	for output, source := range wanted {
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", output, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")

		if text, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot build %s: %v\n%s", source, err, text)

			return 1
		}
	}

	return m.Run()
}
