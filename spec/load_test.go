package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/extactor/extactor/spec"
)

// Published service files load as they are, without a problem or a warning.
func TestCorpusLoadsUnmodified(t *testing.T) {
	services, problems := spec.LoadDir("testdata/corpus")
	if len(problems) > 0 {
		t.Errorf("problems:\n%s", problems)
	}
	var names []string
	for _, service := range services {
		names = append(names, service.Name)
	}
	want := []string{"hello-world", "nut-client", "rpc-statd", "rpcbind", "tailscale", "zfs-service"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
}

// Files are read in file-name order; one that is broken or repeats a name is reported and skipped, the others load.
func TestLoadDirSkipsWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const rest = "\ncontainer: {entrypoint: ./x}\nrestart: always\n"
	write("10-broken.yaml", "name: free"+"\ncontainer: {}\nrestart: always\n")
	write("20-one.yaml", "name: one"+rest)
	write("30-again.yaml", "name: one"+rest)
	write("40-free.yaml", "name: free"+rest) // the name of a file that was skipped is not taken
	write("50-warns.yaml", "name: warns\nbogus: 1"+rest)
	write("60-ignored.yml", "not looked at")
	write("README", "not looked at")
	if err := os.Mkdir(filepath.Join(dir, "70-directory.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "80-fifo.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "90-dangling.yaml")); err != nil {
		t.Fatal(err)
	}
	write("95-large.yaml", strings.Repeat("# large\n", spec.MaxFileSize/8+1))

	services, problems := spec.LoadDir(dir)
	var names []string
	for _, service := range services {
		names = append(names, filepath.Base(service.Source)+" "+service.Name)
	}
	if diff := cmp.Diff([]string{"20-one.yaml one", "40-free.yaml free", "50-warns.yaml warns"}, names); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	got := strings.ReplaceAll(problems.String(), dir+"/", "")
	want := `60-ignored.yml: warning: this file is not read: its name must end in .yaml
10-broken.yaml:2:12: entrypoint is required in container: the program to run, as seen inside of the container
  2 | container: {}
    |            ^
30-again.yaml:1:7: the name "one" is already taken by 20-one.yaml: each service needs a name of its own
  1 | name: one
    |       ^
50-warns.yaml:2:1: warning: unknown field "bogus" in a service file: allowed are name, container, depends, restart, logToConsole, extactor
  2 | bogus: 1
    | ^
70-directory.yaml: cannot read file: it is a directory
80-fifo.yaml: cannot read file: it is not a regular file (p---------)
90-dangling.yaml: cannot read file: no such file or directory
95-large.yaml: the file is larger than 1048576 bytes, which is the most that is allowed`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// A directory of service files that is missing is no error.
func TestLoadDirWithoutDirectory(t *testing.T) {
	if services, problems := spec.LoadDir(filepath.Join(t.TempDir(), "none")); services != nil || problems != nil {
		t.Errorf("got %v, %v", services, problems)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems := spec.LoadDir(file); !strings.Contains(problems.String(), "cannot read directory: it is a file; name the directory of the files *.yaml") {
		t.Errorf("problems of a file: %s", problems)
	}
}
