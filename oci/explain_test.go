package oci

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/extactor/extactor/spec"
)

// TestExplainStartError makes every error really happen, under each runtime that is installed.
func TestExplainStartError(t *testing.T) {
	for _, name := range []string{"runc", "crun"} {
		t.Run(name, func(t *testing.T) {
			runtime := needRuntime(t, name)
			host := newRootfs(t, "x")
			mounted := brokenPrograms(t, host.Rootfs("x"))
			for _, row := range startErrors(mounted) {
				t.Run(row.name, func(t *testing.T) {
					service := &spec.Service{Name: "x", Container: row.container}
					output, err := run(t, runtime, service, host)
					if err == nil {
						t.Fatalf("it started, and printed %q", output)
					}
					explained := ExplainStartError(err, service, "/r/x")
					got, ok := strings.CutPrefix(explained.Error(), `cannot start "ext-x": `)
					if !ok || !strings.HasPrefix(got, row.want) {
						t.Errorf("the runtime said\n%v\nwhich became\n%v\nwant\n%s", err, explained, row.want)
					}
					if !errors.Is(explained, err) {
						t.Error("the original error is lost")
					}
				})
			}
		})
	}
}

// brokenPrograms puts what cannot be run into the root file system, and returns a directory to mount.
func brokenPrograms(t *testing.T, rootfs string) (mounted string) {
	t.Helper()
	in := func(name string) string { return filepath.Join(rootfs, name) }
	mustWrite(t, in("text"), "just text", 0o755)
	mustWrite(t, in("garbage"), "\x7fELFgarbage", 0o755)
	mustWrite(t, in("script"), "#!/no/such/interpreter\n", 0o755)
	mustWrite(t, in("not-executable"), "#!/inspect\n", 0o644)
	mustMkdir(t, in("directory"), 0o755)
	for name, target := range map[string]string{"dangling": "/no/such/target", "loop": "loop"} {
		if err := os.Symlink(target, in(name)); err != nil {
			t.Fatal(err)
		}
	}
	mounted = t.TempDir()
	mustWrite(t, filepath.Join(mounted, "not-executable"), "", 0o644)
	return mounted
}

type startErrorCase struct {
	name      string
	container spec.Container
	want      string
}

func startErrors(mounted string) []startErrorCase {
	program := func(entrypoint string, mounts ...spec.Mount) spec.Container {
		return spec.Container{Entrypoint: entrypoint, Mounts: mounts}
	}
	const notExecutable = "is not an executable file: it lacks the execute permission"
	return []startErrorCase{
		{"missing", program("./missing"), `entrypoint "./missing" not found in the container's root file system (/r/x) or its mounts`},
		{"missing, absolute", program("/bin/missing"), `entrypoint "/bin/missing" not found in the container's`},
		{"below a file", program("/inspect/program"), `entrypoint "/inspect/program" not found in the container's root file system: a part`},
		{"dangling link", program("/dangling"), `entrypoint "/dangling" not found in the container's`},
		{"not executable", program("/not-executable"), `entrypoint "/not-executable" ` + notExecutable},
		{"directory", program("/directory"), `entrypoint "/directory" ` + notExecutable},
		{"bare name, no PATH", program("inspect"), `entrypoint "inspect" has no slash and the service's environment sets no PATH`},
		{"bare name, not in PATH", spec.Container{Entrypoint: "inspect", Environment: []string{"PATH=/bin:/sbin"}},
			`entrypoint "inspect" not found in the container's root file system in any directory of PATH (/bin:/sbin)`},
		{"text", program("/text"), `entrypoint "/text" is not a program that this machine can run`},
		{"garbage", program("./garbage"), `entrypoint "./garbage" is not a program that this machine can run`},
		{"text, bare name", spec.Container{Entrypoint: "text", Environment: []string{"PATH=/"}},
			`entrypoint "text" is not a program that this machine can run`},
		{"interpreter missing", program("/script"), `entrypoint "/script" exists, but the interpreter that it names does not exist`},
		{"missing in a mount", program("/mounted/missing", bind(mounted, "/mounted")), `entrypoint "/mounted/missing" not found in`},
		{"not executable in a mount", program("/mounted/not-executable", bind(mounted, "/mounted")),
			`entrypoint "/mounted/not-executable" ` + notExecutable},
		{"mount source missing", program("/inspect", bind("/no/such/source", "/x")), `mount source "/no/such/source" does not exist`},
		{"file on a directory", program("/inspect", bind("/proc/version", "/directory")),
			`cannot mount "/proc/version" at "/directory": one of the two is a file and the other a directory`},
		{"unknown file system", program("/inspect", spec.Mount{Source: "none", Destination: "/x", Type: "nosuchfs"}),
			`cannot mount "none" at "/x": the kernel does not know this type of file system`},
		{"bad mount option", program("/inspect",
			spec.Mount{Source: "tmpfs", Destination: "/x", Type: "tmpfs", Options: []string{"size=many"}}),
			`cannot mount "tmpfs" at "/x": `},
	}
}

// A symbolic link to itself is told apart by crun only.
func TestExplainLinkLoop(t *testing.T) {
	runtime := needRuntime(t, "runc")
	host := newRootfs(t, "x")
	brokenPrograms(t, host.Rootfs("x"))
	service := &spec.Service{Name: "x", Container: spec.Container{Entrypoint: "/loop"}}
	_, err := run(t, runtime, service, host)
	if explained := ExplainStartError(err, service, "/r/x"); explained == nil ||
		!strings.HasPrefix(explained.Error(), `cannot start "ext-x": entrypoint "/loop"`) {
		t.Errorf("%v", explained)
	}
}

func TestExplainStartErrorOfUnknownKind(t *testing.T) {
	service := &spec.Service{Name: "x", Container: spec.Container{Entrypoint: "/x"}}
	if err := ExplainStartError(nil, service, "/r/x"); err != nil {
		t.Errorf("nil became %v", err)
	}
	for said, want := range map[string]string{
		"failed to create shim task: OCI runtime create failed: /usr/sbin/runc did not terminate successfully: exit status 137":                                                       `cannot start "ext-x": the OCI runtime /usr/sbin/runc was killed (SIGKILL) in the middle of "create"`,
		"OCI runtime start failed: unable to retrieve OCI runtime error (open /log.json: no such file or directory): /usr/bin/crun did not terminate successfully: exit status 137: ": `cannot start "ext-x": the OCI runtime /usr/bin/crun was killed (SIGKILL) in the middle of "start"`,
		"connection refused": `cannot start "ext-x": connection refused`,
		"OCI runtime create failed: runc create failed: unable to start container process: error during container init: odd: unknown"://
		`cannot start "ext-x": odd`,
	} {
		equal(t, said, ExplainStartError(errors.New(said), service, "/r/x").Error(), want)
	}
}

func TestExplainExecFailureIsNotFooledByTheServicesOwnLines(t *testing.T) {
	service := &spec.Service{Name: "x", Container: spec.Container{Entrypoint: "./program"}}
	for lines, want := range map[string]bool{
		"exec ./program: exec format error\n":                        true,
		"exec /program: exec format error":                           true,
		"exec ./other: no such file or directory\n":                  false,
		"exec ./program: exec format error\nbut I went on running\n": false,
		"": false,
	} {
		if got := ExplainExecFailure(lines, service); (got != "") != want {
			t.Errorf("%q: %q", lines, got)
		}
	}
}
