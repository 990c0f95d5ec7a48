package oci

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/extactor/extactor/spec"
)

// startError says in plain words why a container did not start. Its cause is what the runtime said.
type startError struct {
	text  string
	cause error
}

func (e *startError) Error() string { return e.text }
func (e *startError) Unwrap() error { return e.cause }

// ExplainStartError puts an error of runc or crun, as containerd hands it on, in plain words. The original stays
// reachable by errors.Unwrap. What it does not know, it repeats without the layers around it. Nil stays nil.
//
// A program whose format or interpreter is wrong is a special case: both runtimes notice that only once they have
// become the container, so the start succeeds, the exit code is 1 and the reason is a line in the service's log. See
// ExplainExecFailure. rootfs is where the root file system is on the host.
func ExplainStartError(err error, service *spec.Service, rootfs string) error {
	if err == nil {
		return nil
	}
	why := explainKilled(err.Error())
	if why == "" {
		why = explainExec(err.Error(), service)
	}
	if why == "" {
		why = explainLookup(err.Error(), service, rootfs)
	}
	if why == "" {
		why = explainMount(err.Error())
	}
	if why == "" {
		why = innermost(err.Error())
	}
	return &startError{text: fmt.Sprintf("cannot start %q: %s", service.ID(), why), cause: err}
}

// ExplainExecFailure recognises in the last lines of a service's log that its program could not be executed at all, and
// says why. It returns "" when the lines are the service's own.
func ExplainExecFailure(lastLines string, service *spec.Service) string {
	lines := strings.Split(strings.TrimSpace(lastLines), "\n")
	return explainExec(lines[len(lines)-1], service)
}

var (
	runcExec = regexp.MustCompile(`exec (\S+): (exec format error|no such file or directory|permission denied)`)
	crunExec = regexp.MustCompile("exec container process (?:\\(missing dynamic library\\?\\) )?`([^`]+)`: " +
		`(?i:(exec format error|no such file or directory|permission denied))`)
)

// explainExec explains what execve(2) said of the entrypoint, after it was found.
func explainExec(text string, service *spec.Service) string {
	match := runcExec.FindStringSubmatch(text)
	if match == nil {
		match = crunExec.FindStringSubmatch(text)
	}
	entrypoint := service.Container.Entrypoint
	// The runtime prints the path that it found, so that of a bare name only the end is the same.
	if match == nil || !strings.HasSuffix(match[1], strings.TrimPrefix(entrypoint, ".")) {
		return ""
	}
	switch strings.ToLower(match[2]) {
	case "exec format error":
		return fmt.Sprintf("entrypoint %q is not a program that this machine can run: "+
			"it was built for another kind of processor, or is a script without #! in its first line", entrypoint)
	case "permission denied":
		return notExecutable(entrypoint)
	}
	return fmt.Sprintf("entrypoint %q exists, but the interpreter that it names does not exist in the container: "+
		"a dynamic loader (link the program statically, or add its libraries) or the program after #! of a script", entrypoint)
}

var (
	runcLookup = regexp.MustCompile(`exec: "(.*?)": (.*)`)
	crunLookup = regexp.MustCompile("(?i)executable file `([^`]+)` not found|open executable: (.*)")
)

// explainLookup explains why the runtime did not find the entrypoint. The word "root file system" includes what is
// mounted into it: the runtime looks after all mounts are made.
func explainLookup(text string, service *spec.Service, rootfs string) string {
	match := runcLookup.FindStringSubmatch(text)
	if match == nil {
		match = crunLookup.FindStringSubmatch(text)
	}
	if match == nil {
		return ""
	}
	entrypoint := service.Container.Entrypoint
	reason := strings.ToLower(match[2])
	switch {
	case strings.Contains(reason, "permission denied"), strings.Contains(reason, "operation not permitted"),
		strings.Contains(reason, "is a directory"):
		return notExecutable(entrypoint)
	case strings.Contains(reason, "not a directory"):
		return fmt.Sprintf("entrypoint %q not found in the container's root file system: "+
			"a part of its path is a file, not a directory", entrypoint)
	case strings.Contains(reason, "too many levels"):
		return fmt.Sprintf("entrypoint %q is a symbolic link that leads back to itself", entrypoint)
	case !strings.Contains(entrypoint, "/"):
		return notInPath(entrypoint, service)
	}
	// Where a link leads is where its author looks for it; the runtime was just there, so that nothing hangs.
	if target, err := os.Readlink(rootfs); err == nil {
		rootfs = target
	}
	return fmt.Sprintf("entrypoint %q not found in the container's root file system (%s) or its mounts "+
		"(a symbolic link must lead to a file inside)", entrypoint, rootfs)
}

var killedRuntime = regexp.MustCompile(`OCI runtime (\w+) failed: (?:.* )?(\S+) did not terminate successfully: (?:exit status 137|signal: killed)`)

// explainKilled explains a start during which the OCI runtime itself was killed: by a person, or for lack of memory.
func explainKilled(text string) string {
	match := killedRuntime.FindStringSubmatch(text)
	if match == nil {
		return ""
	}
	return fmt.Sprintf("the OCI runtime %s was killed (SIGKILL) in the middle of %q", match[2], match[1])
}

func notExecutable(entrypoint string) string {
	return fmt.Sprintf("entrypoint %q is not an executable file: it lacks the execute permission (chmod +x), "+
		"is a directory, or lies on a mount with the option noexec", entrypoint)
}

func notInPath(entrypoint string, service *spec.Service) string {
	for _, entry := range MergeEnvironment(service.Container.Environment) {
		if path, ok := strings.CutPrefix(entry, "PATH="); ok {
			return fmt.Sprintf("entrypoint %q not found in the container's root file system "+
				"in any directory of PATH (%s)", entrypoint, path)
		}
	}
	return fmt.Sprintf("entrypoint %q has no slash and the service's environment sets no PATH in which to look for it: "+
		"write ./%s for the top of the root file system", entrypoint, entrypoint)
}

var (
	runcMount     = regexp.MustCompile(`error mounting "(.*?)" to rootfs at "(.*?)": (.*)`)
	crunMount     = regexp.MustCompile("mount `([^`]+)` to `([^`]+)`: (.*)")
	crunMountStat = regexp.MustCompile("error stat'ing file `([^`]+)`: (.*)")
)

// explainMount explains why a mount could not be made.
func explainMount(text string) string {
	if match := crunMountStat.FindStringSubmatch(text); match != nil {
		if strings.Contains(strings.ToLower(match[2]), "no such file") {
			return missingMountSource(match[1])
		}
		return fmt.Sprintf("cannot look at mount source %q: %s", match[1], innermost(match[2]))
	}
	match := runcMount.FindStringSubmatch(text)
	if match == nil {
		match = crunMount.FindStringSubmatch(text)
	}
	if match == nil {
		return ""
	}
	source, destination, reason := match[1], "/"+strings.TrimPrefix(match[2], "/"), innermost(match[3])
	switch lower := strings.ToLower(reason); {
	case strings.Contains(lower, "stat "+source+": no such file"):
		return missingMountSource(source)
	case strings.HasSuffix(lower, "not a directory"):
		return fmt.Sprintf("cannot mount %q at %q: one of the two is a file and the other a directory", source, destination)
	case strings.HasSuffix(lower, "no such device"):
		return fmt.Sprintf("cannot mount %q at %q: the kernel does not know this type of file system", source, destination)
	default:
		return fmt.Sprintf("cannot mount %q at %q: %s", source, destination, reason)
	}
}

func missingMountSource(source string) string {
	return fmt.Sprintf("mount source %q does not exist", source)
}

// innermost drops what each layer between the runtime and us has put around its message.
func innermost(text string) string {
	for _, layer := range []string{"unable to start container process: ", "error during container init: "} {
		if _, inner, ok := strings.Cut(text, layer); ok {
			text = inner
		}
	}
	return strings.TrimSuffix(text, ": unknown")
}
