// Package kernel tells what Linux knows of its host, in the words of Talos's API: processes, memory, processors, devices,
// mounts, the kernel's log. Nothing is kept between two questions, and what the kernel does not tell stays empty.
package kernel

import (
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/procfs"
)

// Host is where the kernel is asked. Make it with New.
type Host struct {
	proc string
	sys  string
	log  string

	sizeOf      func(path string) size
	commandLine func(procfs.Proc) []string

	sizes        questions[size]     // of file systems, by where they are mounted
	commandLines questions[[]string] // by the PID
}

// New returns the host that this process runs on.
func New() *Host {
	return &Host{proc: "/proc", sys: "/sys", log: "/dev/kmsg", sizeOf: sizeOf, commandLine: commandLine}
}

// Hostname returns the name that the host has now.
func (h *Host) Hostname() (string, error) {
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("cannot read the name of the host: %w", err)
	}

	return text(name), nil
}

// read opens /proc and reads one thing of it.
func read[T any](h *Host, what string, from func(procfs.FS) (T, error)) (T, error) {
	var none T

	proc, err := procfs.NewFS(h.proc)
	if err != nil {
		return none, fmt.Errorf("cannot read %s: %w", what, err)
	}

	value, err := from(proc)
	if err != nil {
		return none, fmt.Errorf("cannot read %s: %w", what, err)
	}

	return value, nil
}

// text makes what others have named fit for a message, which must be UTF-8.
func text(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
