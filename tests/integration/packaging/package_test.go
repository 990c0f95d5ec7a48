// Package packaging_test installs the .deb on this machine, runs what its unit would run, upgrades it under a running
// service, and removes it again: the machine must be as before.
package packaging_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/tests/integration/setup"
)

const root = "../../.."

func TestPackage(t *testing.T) {
	need(t)

	deb, tarball := makePackage(t)
	before := files(t)

	t.Cleanup(func() { _ = exec.Command("dpkg", "--purge", "extactor").Run() }) // after a failure
	command(t, "dpkg", "--install", deb)

	installed := lines(command(t, "dpkg", "--listfiles", "extactor"))
	if packed := lines(command(t, "tar", "--list", "--file", tarball)); !sameFiles(installed, packed) {
		t.Errorf("the .deb has\n%s\nbut the tarball\n%s", strings.Join(installed, "\n"), strings.Join(packed, "\n"))
	}

	checkInstalled(t)

	d := newDaemon(t)
	d.start()
	pid := d.line(`Started task ext-hello-world \(PID (\d+)\)`)
	d.line(`^\[ext-hello-world\] installed`)

	// An upgrade: the new files come under the running daemon, which is then told to leave.
	command(t, "dpkg", "--install", deb)
	d.end(unix.SIGUSR1)
	d.start()

	if adopted := d.line(`Adopted .*ext-hello-world \(PID (\d+)\)`); adopted != pid {
		t.Errorf("the service had PID %s, and has %s after the upgrade", pid, adopted)
	}

	d.end(unix.SIGTERM)
	command(t, "dpkg", "--purge", "extactor")

	if changed := difference(before, files(t)); len(changed) > 0 {
		t.Errorf("the machine is not as before:\n%s", strings.Join(changed, "\n"))
	}
}

// need skips where the test would not be what it says, or harm somebody.
func need(t *testing.T) {
	t.Helper()

	missing := ""

	switch _, err := exec.LookPath("dpkg"); {
	case os.Getuid() != 0:
		missing = "needs root: installs a package"
	case err != nil:
		missing = "needs dpkg: installs a .deb"
	case exists("/usr/bin/extactor"):
		missing = "extactor is installed on this machine, which this test would remove"
	}

	if missing == "" {
		return
	}

	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}

	t.Skip("SKIPPED: " + missing)
}

// makePackage runs "make package" and returns the .deb and the tarball.
func makePackage(t *testing.T) (deb, tarball string) {
	t.Helper()

	directory := t.TempDir()
	words := []string{"-C", root, "package", "PACKAGE=" + directory}

	if os.Getenv(setup.BinariesVariable) != "" {
		words = append(words, "--old-file=build") // what is tested at this moment is not built again
	}

	command(t, "make", words...)

	return only(t, directory, "*.deb"), only(t, directory, "*.tar.gz")
}

func only(t *testing.T, directory, pattern string) string {
	t.Helper()

	found, err := filepath.Glob(filepath.Join(directory, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s in %s: %v, %v", pattern, directory, found, err)
	}

	return found[0]
}

// checkInstalled looks at what the package brings beside the daemon.
func checkInstalled(t *testing.T) {
	t.Helper()

	if shown := command(t, "/usr/bin/extactor", "version"); !regexp.MustCompile(`^CLIENT +\S+\n`).MatchString(shown) {
		t.Errorf("version: %s", shown)
	}

	command(t, "bash", "-n", "/usr/share/bash-completion/completions/extactor")

	for _, name := range []string{"extactor", "extactor-run", "extactor-status"} {
		page := command(t, "gzip", "--decompress", "--stdout", "/usr/share/man/man1/"+name+".1.gz")
		if !strings.Contains(page, ".SH SYNOPSIS") {
			t.Errorf("the manual page %s is:\n%s", name, page)
		}
	}

	checkLinks(t, "/usr/share/doc/extactor")

	if _, err := exec.LookPath("systemd-analyze"); err == nil {
		command(t, "systemd-analyze", "verify", "--man=no", unit)
	}
}

// relativeLink is a link or a picture of Markdown that is not on the web and not within its page.
var relativeLink = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// checkLinks demands that what the installed documentation links to is installed too.
func checkLinks(t *testing.T, top string) {
	t.Helper()

	checked := 0
	must(t, filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}

		content, err := os.ReadFile(path)

		for _, link := range relativeLink.FindAllSubmatch(content, -1) {
			if checked++; !exists(filepath.Join(filepath.Dir(path), string(link[1]))) {
				t.Errorf("%s links to %s, which is not installed", path, link[1])
			}
		}

		return err
	}))

	if checked == 0 {
		t.Errorf("no link in the documentation in %s", top)
	}
}

// command runs a program that must succeed, and returns its standard output.
func command(t *testing.T, name string, words ...string) string {
	t.Helper()

	var stdout, stderr bytes.Buffer

	run := exec.CommandContext(t.Context(), name, words...)
	run.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	run.Stdout, run.Stderr = &stdout, &stderr

	if err := run.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, words, err, &stdout, &stderr)
	}

	return stdout.String()
}

func exists(path string) bool {
	_, err := os.Lstat(path)

	return err == nil
}

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}
