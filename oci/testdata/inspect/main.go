// inspect is what the tests run in a container: it prints what it sees there as JSON. With arguments it first does what
// they say: "write PATH", "mknod PATH" (a node of /dev/kmsg, opened) or "read PATH".
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
)

type report struct {
	Args     []string
	Env      []string
	Cwd      string
	Status   map[string]string // /proc/self/status
	Spaces   map[string]string // /proc/self/ns
	Mounts   string            // /proc/self/mountinfo
	OOMScore string
	Files    uint64 // RLIMIT_NOFILE, soft
	PID      int
	Actions  map[string]string // outcome of each action: "ok", or the error
	Contents map[string]string // of each file that was read
	RootMode string
}

func main() {
	seen := report{
		Args: os.Args, Env: os.Environ(), Status: map[string]string{}, Spaces: map[string]string{},
		PID: os.Getpid(), Actions: map[string]string{}, Contents: map[string]string{},
	}
	seen.Cwd, _ = os.Getwd()
	for i := 1; i+1 < len(os.Args); i += 2 {
		seen.Actions[os.Args[i]+" "+os.Args[i+1]] = act(os.Args[i], os.Args[i+1], seen.Contents)
	}
	for line := range strings.Lines(read("/proc/self/status")) {
		name, value, _ := strings.Cut(line, ":")
		seen.Status[name] = strings.TrimSpace(value)
	}
	for _, name := range []string{"pid", "uts", "mnt", "net", "ipc", "user", "cgroup"} {
		seen.Spaces[name], _ = os.Readlink("/proc/self/ns/" + name)
	}
	seen.Mounts = read("/proc/self/mountinfo")
	seen.OOMScore = strings.TrimSpace(read("/proc/self/oom_score_adj"))
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		seen.Files = limit.Cur
	}
	if info, err := os.Stat("/"); err == nil {
		seen.RootMode = info.Mode().String()
	}
	if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
		os.Exit(1)
	}
}

func act(verb, path string, contents map[string]string) string {
	var err error
	switch verb {
	case "write":
		err = os.WriteFile(path, []byte("x"), 0o600)
	case "mknod":
		if err = syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|11); err == nil {
			var file *os.File
			if file, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
				file.Close()
			}
		}
	case "read":
		var content []byte
		content, err = os.ReadFile(path)
		contents[path] = string(content)
	default:
		err = fmt.Errorf("unknown verb %q", verb)
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}

func read(path string) string {
	content, _ := os.ReadFile(path)
	return string(content)
}
