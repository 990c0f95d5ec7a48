package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
)

// Where the directories cannot be read, what was read before of the configuration stands, and all of it is rejected.
func TestDirectoriesThatCannotBeRead(t *testing.T) {
	t.Parallel()

	directory := t.TempDir()
	options := Options{ServicesDir: filepath.Join(directory, "services"), ConfigDir: filepath.Join(directory, "config")}
	service, config := filepath.Join(options.ServicesDir, "a.yaml"), filepath.Join(options.ConfigDir, "a.yaml")

	for path, content := range map[string]string{
		service: "name: a\ncontainer: {entrypoint: ./a}\nrestart: always\n",
		config:  "apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: a\nenvironment: [A=1]\n",
	} {
		write(t, path, content)
	}

	read := newFiles(options, zerolog.Nop())
	if first := read.load(); len(first.Services) != 1 || len(first.Configs) != 1 || len(first.Rejected) > 0 {
		t.Fatalf("read: %+v", first)
	}

	for _, path := range []string{options.ServicesDir, options.ConfigDir} {
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}

		write(t, path, "not a directory")
	}

	now := read.load()
	if len(now.Configs) != 1 {
		t.Errorf("the configuration is forgotten: %+v", now)
	}

	if len(now.Rejected) != 2 || !now.Rejected[0].Covers(service) || !now.Rejected[1].Covers(config) {
		t.Errorf("rejected: %v", now.Rejected)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()

	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o600)
	}

	if err != nil {
		t.Fatal(err)
	}
}
