// Package setup is what the packages of integration tests begin with: root, programs that are built once, and the
// processes that a daemon would start.
package setup

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/extactor/extactor/oci/server"
)

// root is the top of the source tree as the packages of integration tests see it.
const root = "../../.."

// BinariesVariable names a directory with programs that are built already, as "make build" leaves them in bin.
const BinariesVariable = "EXTACTOR_BIN"

// Run makes a directory, has build put into it what the tests need, runs them, and returns the exit code. Without root
// nothing runs, which is a failure where nothing may be skipped.
func Run(m *testing.M, build func(directory string) error) int {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "these tests need root")

			return 1
		}

		fmt.Println("SKIPPED: needs root: containers, mounts and cgroups cannot be made")

		return 0
	}

	directory, err := os.MkdirTemp("/tmp", "extactor-build-")
	if err == nil {
		defer os.RemoveAll(directory)

		err = build(directory)
	}

	if err != nil {
		fmt.Fprintln(os.Stderr, err)

		return 1
	}

	return m.Run()
}

// Binaries returns the directory with extactor and its shim: that of "make build" where it is named, else the given one,
// in which they are built.
func Binaries(directory string) (string, error) {
	if built := os.Getenv(BinariesVariable); built != "" {
		return filepath.Abs(built)
	}

	return directory, Build(directory+"/", root+"/cmd/...")
}

// Build builds with the flags of the Makefile, so that what it compiled is not compiled again, and with more flags; of those
// that are given twice the last one counts.
func Build(output, source string, flags ...string) error {
	words := slices.Concat([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}, flags, []string{"-o", output, source})
	build := exec.Command("go", words...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")

	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %s: %w\n%s", source, err, text)
	}

	return nil
}

// ServeContainerd makes a test program the embedded containerd where it was started as "PROGRAM containerd RUN-DIRECTORY",
// and does not return then.
func ServeContainerd() {
	const words = 3
	if len(os.Args) != words || os.Args[1] != "containerd" {
		return
	}

	if err := server.Run(context.Background(), server.Config{RunDir: os.Args[2]}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}

	os.Exit(0)
}
