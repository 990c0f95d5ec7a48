package author_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/extactor/extactor/cmd/extactor/author"
	"github.com/extactor/extactor/condition/watch"
	"github.com/extactor/extactor/spec"
)

const patience = time.Minute

func must(t *testing.T, err error) {
	t.Helper()

	if err != nil {
		t.Fatal(err)
	}
}

// Also where the root file system is reached by a link, as one that several services share.
func TestBuildsBehindALink(t *testing.T) {
	links, real := t.TempDir(), t.TempDir()
	rootfs := filepath.Join(real, "rootfs")

	must(t, os.Symlink(rootfs, filepath.Join(links, "web")))
	must(t, os.Mkdir(rootfs, 0o755))

	_, told := built(t, links, &spec.Service{Name: "web", Container: spec.Container{Entrypoint: "./web"}})

	for _, content := range []string{"first", "second"} {
		must(t, os.WriteFile(filepath.Join(rootfs, "web"), []byte(content), 0o755))
		wantTold(t, told, "ext-web")
	}

	must(t, os.CopyFS(rootfs+".new", os.DirFS(rootfs)))
	must(t, os.RemoveAll(rootfs))
	must(t, os.Rename(rootfs+".new", rootfs))
	wantTold(t, told, "ext-web")
}

// built follows services in a directory and returns what is told.
func built(t *testing.T, rootfs string, services ...*spec.Service) (*author.Builds, <-chan string) {
	t.Helper()

	watchers, err := watch.New(watch.Options{})
	must(t, err)
	t.Cleanup(func() { watchers.Close() })

	told := make(chan string, 100)
	builds := author.NewBuilds(watchers, rootfs, func(id string) { told <- id })
	t.Cleanup(builds.Close)
	builds.Follow(services)

	return builds, told
}

func wantTold(t *testing.T, told <-chan string, id string) {
	t.Helper()

	select {
	case got := <-told:
		if got != id {
			t.Fatalf("told of %s, want %s", got, id)
		}
	case <-time.After(patience):
		t.Fatalf("not told of %s", id)
	}
}

func TestBuilds(t *testing.T) {
	rootfs := t.TempDir()
	service := func(name, entrypoint string) *spec.Service {
		return &spec.Service{Name: name, Container: spec.Container{Entrypoint: entrypoint}}
	}
	file := func(path string) string { return filepath.Join(rootfs, path) }
	write := func(path, content string) {
		must(t, os.MkdirAll(filepath.Dir(file(path)), 0o755))
		must(t, os.WriteFile(file(path), []byte(content), 0o755))
	}

	write("web/bin/web", "first")

	builds, told := built(t, rootfs, service("web", "/bin/web"), service("later", "./later"), service("path", "sh"))

	// A linker writes into place, and takes its time; meanwhile others are told of.
	opened, err := os.Create(file("web/bin/web"))
	must(t, err)

	write("later/later", "appears")
	wantTold(t, told, "ext-later")

	_, err = opened.WriteString("second")
	must(t, err)
	write("web/bin/other", "not its program") // this alone ends a burst of changes in which it is incomplete
	write("later/later", "again")
	wantTold(t, told, "ext-later")
	must(t, opened.Close())
	wantTold(t, told, "ext-web")

	// A build that renames over, and the whole root file system made anew.
	write("web/bin/.new", "third")
	must(t, os.Rename(file("web/bin/.new"), file("web/bin/web")))
	wantTold(t, told, "ext-web")

	must(t, os.RemoveAll(file("web")))
	write("later/later", "meanwhile, while web has none")
	wantTold(t, told, "ext-later")
	write("web/bin/web", "fourth")
	wantTold(t, told, "ext-web")

	must(t, os.CopyFS(file("web.new"), os.DirFS(file("web"))))
	must(t, os.Rename(file("web"), file("web.old")))
	must(t, os.Rename(file("web.new"), file("web")))
	wantTold(t, told, "ext-web")

	// What is no longer followed is not told, what has another entrypoint is.
	builds.Follow([]*spec.Service{service("web", "./web")})
	write("later/later", "nobody follows it")
	write("web/bin/web", "nor this")
	write("web/web", "this one")
	wantTold(t, told, "ext-web")

	if len(told) > 0 {
		t.Errorf("told of %s as well", <-told)
	}
}
