package oci

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/spec"
)

func configOf(pairs ...string) *spec.Config {
	config := &spec.Config{Name: "x"}
	for pair := range slices.Chunk(pairs, 2) {
		config.Files = append(config.Files, spec.ConfigFile{MountPath: pair[0], Content: pair[1]})
	}

	return config
}

// configFiles are extra mounts, read-only, after those of the service file.
func TestConfigMounts(t *testing.T) {
	host := fixedHost()
	host.ConfigDir = "/run/extactor/config/ext-x.1"
	service := &spec.Service{Name: "x", Container: spec.Container{
		Entrypoint: "x", Environment: []string{"BOTH=list", "LIST=1"},
		Mounts: []spec.Mount{{Source: "/host", Destination: "/etc/x", Type: "bind", Options: []string{"bind"}}},
	}}
	config := configOf("/a/b-c", "1", "/a-b/c", "2", "/a//b-c", "3")
	config.Environment = []string{"BOTH=config", "FILE=config"}

	generated, err := Generate(service, host, []string{"FILE=file", "BOTH=file", "ONLY=file"}, config)
	if err != nil {
		t.Fatal(err)
	}

	equal(t, "environment", generated.Process.Env, []string{"FILE=config", "BOTH=config", "ONLY=file", "LIST=1"})

	last := generated.Mounts[len(generated.Mounts)-3:]
	equal(t, "the file's own mount comes before", last[0].Destination, "/etc/x")

	for index, destination := range []string{"/a/b-c", "/a-b/c"} {
		equal(t, destination, last[index+1], specs.Mount{
			Destination: destination, Type: "bind", Source: configPath(host.ConfigDir, destination), Options: []string{"bind", "ro"},
		})
	}
}

func TestConfigFilesNeverCollide(t *testing.T) {
	paths := []string{
		"/a/b-c", "/a-b/c", "/a/b/c", "/a-b-c", "/a%2Fb-c", "/" + strings.Repeat("long/", 200) + "x", "/a/b\nc", "/ä",
	}
	seen := make(map[string]string)
	directory := filepath.Join(t.TempDir(), "config", "ext-x.1")

	var pairs []string
	for _, path := range paths {
		pairs = append(pairs, path, "content of "+path)
	}

	if err := writeConfig(directory, configOf(pairs...)); err != nil {
		t.Fatal(err)
	}

	for _, path := range paths {
		name := configPath(directory, path)
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q meet in %s", path, other, name)
		}

		seen[name] = path

		content, err := os.ReadFile(name)
		if err != nil || string(content) != "content of "+path {
			t.Errorf("%q holds %q: %v", path, content, err)
		}
	}
}

func TestConfigFilesAreForRootAlone(t *testing.T) {
	run := t.TempDir()
	directory := ConfigDir(run, "ext-x", 1)

	if err := writeConfig(directory, configOf("/secret", "s")); err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{filepath.Dir(directory), directory} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v: %v", path, info.Mode(), err)
		}
	}

	info, err := os.Stat(configPath(directory, "/secret"))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("in the container, users other than root need to read it: %v, %v", info.Mode(), err)
	}
}

func TestConfigFilesOfBeforeAreRemoved(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "config", "ext-x.1")

	for _, config := range []*spec.Config{configOf("/a", "1", "/b", "2"), configOf("/b", "3"), configOf(), nil} {
		if err := writeConfig(directory, config); err != nil {
			t.Fatal(err)
		}

		contents, err := configContents(directory)
		if err != nil {
			t.Fatal(err)
		}

		var want []string
		for _, file := range configFiles(config) {
			want = append(want, file.Content)
		}

		slices.Sort(contents)
		equal(t, "contents", contents, want)
	}
}

func TestRewriteKeepsTheInodeAndRemembersSecrets(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "config", "ext-x.1")
	if err := writeConfig(directory, configOf("/a", "first, and long")); err != nil {
		t.Fatal(err)
	}

	path := configPath(directory, "/a")

	mounted, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mounted.Close()

	for _, content := range []string{"second", "", "third, which is longer than the others", "second", "second"} {
		if err := rewrite(directory, path, []byte(content)); err != nil {
			t.Fatal(err)
		}

		seen := make([]byte, 100)
		count, _ := mounted.ReadAt(seen, 0)
		equal(t, "through the inode", string(seen[:count]), content)
	}

	contents, err := configContents(directory)
	if err != nil {
		t.Fatal(err)
	}

	slices.Sort(contents)
	equal(t, "secrets", slices.Compact(contents), []string{"", "first, and long", "second", "third, which is longer than the others"})

	if len(contents) > 5 {
		t.Errorf("%d files are kept of 4 contents", len(contents))
	}
}

func TestConfigFileOverADirectory(t *testing.T) {
	host := Host{RootfsDir: t.TempDir(), ConfigDir: filepath.Join(t.TempDir(), "config")}
	mustMkdir(t, filepath.Join(host.Rootfs("x"), "etc", "x.d"), 0o755)
	config := configOf("/etc/x.d", "content")

	if err := writeConfig(host.ConfigDir, config); err != nil {
		t.Fatal(err)
	}

	service := &spec.Service{Name: "x"}

	err := checkConfigMounts(service, host, config)
	if err == nil || !strings.Contains(err.Error(), `"/etc/x.d" in the container's root file system is a directory`) {
		t.Errorf("error: %v", err)
	}

	// A mount of the service's own covers the directory: who knows what is there.
	service.Container.Mounts = []spec.Mount{{Source: "/h", Destination: "/etc", Type: "bind"}}
	if err := checkConfigMounts(service, host, config); err != nil {
		t.Error(err)
	}
}
