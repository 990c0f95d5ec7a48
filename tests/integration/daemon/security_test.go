package daemon_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const nobody = 65534

// asNobody runs a command of the host as a user that is nobody in particular.
func asNobody(t *testing.T, words ...string) outcome {
	t.Helper()

	var stdout, stderr strings.Builder

	command := exec.CommandContext(t.Context(), words[0], words[1:]...)
	command.Stdout, command.Stderr, command.Dir = &stdout, &stderr, "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}

	var failed *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}

	return outcome{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

// Another user of the host reads nothing of what services are given or print, and can give no command.
func TestOthersReadNothing(t *testing.T) {
	t.Parallel()

	const variable, content = "the-variable-nobody-sees", "the-content-nobody-sees"

	h := newHost(t)
	must(t, os.Chmod(h.dir, 0o755)) // a test's own directory is closed; an ordinary host's is not
	must(t, os.Remove(h.config))
	h.service("fed", "restart: always\ndepends: [{configuration: true}]", "environment", "WORD", "serve")

	d := h.start()
	h.cli("config", "apply", "-f", h.document("fed", variable, content)).done(t)
	d.started(t, 0, "ext-fed")
	h.printed("ext-fed", variable)

	readable := asNobody(t, "/usr/bin/find", h.run, h.state, h.config, "-type", "f", "-readable")
	if readable.stdout != "" {
		t.Errorf("everybody can read\n%s", readable.stdout)
	}

	for _, directory := range []string{h.run, h.state, h.config} {
		info, err := os.Stat(directory)
		must(t, err)

		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %o, want 700", directory, info.Mode().Perm())
		}
	}

	// The program itself lies where nobody may look, in a test.
	public := filepath.Join(h.dir, "extactor")
	must(t, copyProgram(extactor, public))

	refused := asNobody(t, public, "--socket", h.socket(), "status")
	if refused.code == 0 || !strings.Contains(refused.stderr, "try as root") {
		t.Errorf("status as nobody: %+v", refused)
	}

	// Nor is it where it would outlive the service: in the journal, or in what the daemon says.
	for _, file := range []string{"journal.db", "journal.db-wal"} {
		written, err := os.ReadFile(filepath.Join(h.state, file))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}

		for _, secret := range []string{variable, content} {
			if strings.Contains(string(written), secret) {
				t.Errorf("%s holds %q", file, secret)
			}
		}
	}

	if said := d.said(); strings.Contains(said, variable) || strings.Contains(said, content) {
		t.Errorf("the daemon says what is secret:\n%s", said)
	}
}

func copyProgram(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}

	return os.WriteFile(to, content, 0o755)
}

// A root file system whose links lead out of it, and paths that climb, change nothing outside the container.
func TestPathsDoNotEscape(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	outside := filepath.Join(h.dir, "outside")
	must(t, os.Mkdir(outside, 0o755))
	must(t, os.WriteFile(filepath.Join(outside, "precious"), []byte("untouched"), 0o600))

	// The host's path below a link in the container's root file system, absolute and climbing.
	h.service("sly", "restart: always\ndepends: [{configuration: true}]", "serve")
	rootfs := filepath.Join(h.rootfs, "sly")
	must(t, os.Symlink(outside, filepath.Join(rootfs, "absolute")))
	must(t, os.Symlink(strings.Repeat("../", 20)+outside, filepath.Join(rootfs, "climbing")))

	document := "apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: sly\nconfigFiles:\n"
	for _, path := range []string{"/absolute/precious", "/climbing/new", "/../../../../" + outside + "/dotted"} {
		document += fmt.Sprintf("  - {content: replaced, mountPath: %s}\n", path)
	}

	must(t, os.WriteFile(filepath.Join(h.config, "sly.yaml"), []byte(document), 0o600))

	d := h.start()
	d.started(t, 0, "ext-sly")

	entries, err := os.ReadDir(outside)
	must(t, err)

	content, err := os.ReadFile(filepath.Join(outside, "precious"))
	must(t, err)

	if len(entries) != 1 || string(content) != "untouched" {
		t.Errorf("outside the container there is now %v, %q", entries, content)
	}

	// Names are the keys to directories: those that climb are refused by line and column, and nothing else suffers.
	h.write("climber.yaml", "name: ../climber\ncontainer:\n  entrypoint: ./program\n")
	reloaded := h.cli("reload")

	if all := reloaded.stdout + reloaded.stderr; !strings.Contains(all, "climber.yaml:1:7") {
		t.Errorf("reload: %+v, want the place of the bad name", reloaded)
	}
}
