package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/extactor/extactor/spec"
)

const alpha = `apiVersion: v1alpha1
kind: ExtensionServiceConfig
name: alpha
environment:
  - A=one
`

const beta = `apiVersion: v1alpha1
kind: ExtensionServiceConfig
name: beta
configFiles:
  - content: |
      first
      second
    mountPath: /etc/beta.conf
`

// byHand is a file with several documents, some not ours, as people write them.
const byHand = `# written by hand
---
apiVersion: v1alpha1
kind: HostnameConfig
hostname:   spaced   # and not ours
---
# about alpha
apiVersion: v1alpha1
kind: ExtensionServiceConfig
name: alpha
environment: [ A=zero ]
--- # the last
apiVersion: v1alpha1
kind: ExtensionServiceConfig
name:   gamma   # oddly spaced
environment: [ "G=1" ]
`

func apply(t *testing.T, store Store, content string) []Applied {
	t.Helper()

	applied, problems, err := store.Apply("input", []byte(content))
	if err != nil || len(problems) > 0 {
		t.Fatalf("Apply: %v\n%s", err, problems)
	}

	return applied
}

func load(t *testing.T, store Store) map[string]*spec.Config {
	t.Helper()

	configs, problems := store.Load()
	if len(problems.Errors()) > 0 {
		t.Fatalf("the directory has problems:\n%s", problems)
	}

	named := make(map[string]*spec.Config)
	for _, config := range configs {
		named[config.Name] = config
	}

	return named
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestApplyMakesOneFileEach(t *testing.T) {
	store := Store{Dir: filepath.Join(t.TempDir(), "new", "config")}
	own := func(name string) string { return filepath.Join(store.Dir, name+".yaml") }

	equal(t, "first", apply(t, store, alpha+"---\n"+beta), []Applied{{"alpha", Created, own("alpha")}, {"beta", Created, own("beta")}})
	equal(t, "again", apply(t, store, "# other words\n"+beta), []Applied{{"beta", Unchanged, own("beta")}})
	equal(t, "changed", apply(t, store, strings.ReplaceAll(alpha, "one", "two")+"---\n"+beta),
		[]Applied{{"alpha", Changed, own("alpha")}, {"beta", Unchanged, own("beta")}})
	equal(t, "alpha", load(t, store)["alpha"].Environment, []string{"A=two"})

	for path, mode := range map[string]os.FileMode{store.Dir: 0o700 | os.ModeDir, own("alpha"): 0o600, own("beta"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}

	entries, err := os.ReadDir(store.Dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory has %v, %v", entries, err)
	}
}

func TestApplyReplacesInPlace(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	hand := filepath.Join(store.Dir, "hand.yaml")

	if err := os.WriteFile(hand, []byte(byHand), 0o644); err != nil {
		t.Fatal(err)
	}

	equal(t, "applied", apply(t, store, alpha), []Applied{{"alpha", Changed, hand}})

	before, rest, _ := strings.Cut(byHand, "---\n# about alpha")
	_, after, _ := strings.Cut(rest, "A=zero ]\n")

	content, err := os.ReadFile(hand)
	if err != nil {
		t.Fatal(err)
	}

	equal(t, "the file", string(content), before+"---\n"+alpha+after)

	if err := store.Delete("alpha"); err != nil {
		t.Fatal(err)
	}

	content, err = os.ReadFile(hand)
	if err != nil {
		t.Fatal(err)
	}

	equal(t, "the file without it", string(content), before+after)
}

// A document with mistakes is replaced where it is: written elsewhere, it would leave the mistakes behind.
func TestApplyMendsWhatIsWrong(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	hand := filepath.Join(store.Dir, "hand.yaml")

	if err := os.WriteFile(hand, []byte(strings.ReplaceAll(alpha, "A=one", "nonsense")), 0o600); err != nil {
		t.Fatal(err)
	}

	equal(t, "applied", apply(t, store, alpha), []Applied{{"alpha", Changed, hand}})
	equal(t, "alpha", load(t, store)["alpha"].Environment, []string{"A=one"})
}

func TestApplyFollowsSymbolicLinks(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	target := filepath.Join(t.TempDir(), "elsewhere")

	if err := os.WriteFile(target, []byte(beta), 0o600); err != nil {
		t.Fatal(err)
	}

	if err := os.Symlink(target, filepath.Join(store.Dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}

	apply(t, store, strings.ReplaceAll(beta, "second", "third"))

	if content, err := os.ReadFile(target); err != nil || !strings.Contains(string(content), "third") {
		t.Errorf("the target has %q, %v", content, err)
	}

	equal(t, "beta", load(t, store)["beta"].Files[0].Content, "first\nthird\n")
}

func TestApplyWritesNothingWithAProblem(t *testing.T) {
	store := Store{Dir: filepath.Join(t.TempDir(), "config")}
	big := alpha + "  - B=" + strings.Repeat("x", spec.MaxFileSize/2) + "\n"

	for name, row := range map[string]struct{ content, problem string }{
		"a mistake in the second": {alpha + "---\n" + strings.ReplaceAll(beta, "/etc", "etc"), "input:14:16: this mountPath is not the path of a file"},
		"no document of ours":     {"apiVersion: v1alpha1\nkind: HostnameConfig\n", "no document in it is an ExtensionServiceConfig"},
		"nothing":                 {"", "no document in it is an ExtensionServiceConfig"},
		"too large":               {big + big, "larger than"},
	} {
		applied, problems, err := store.Apply("input", []byte(row.content))
		if err != nil || applied != nil || len(problems.Errors()) == 0 || !strings.Contains(problems.String(), row.problem) {
			t.Errorf("%s: %v, %v\n%s", name, applied, err, problems)
		}

		if _, err := os.Stat(store.Dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the directory is there", name)
		}
	}
}

// Two documents of which each fits a file, but not both.
func TestApplyRefusesWhatCouldNotBeRead(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	hand := filepath.Join(store.Dir, "alpha.yaml")
	full := beta + "environment: [ B=" + strings.Repeat("x", spec.MaxFileSize*3/4) + " ]\n"

	if err := os.WriteFile(hand, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}

	_, _, err := store.Apply("input", []byte(alpha+"  - S=secret"+strings.Repeat("x", spec.MaxFileSize/2)+"\n"))
	if err == nil || !strings.Contains(err.Error(), "larger than") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}

	if content, err := os.ReadFile(hand); err != nil || string(content) != full {
		t.Errorf("the file has changed, %v", err)
	}
}

// One of two files lies where nobody can write: the other one stays as it was.
func TestApplyIsAllOrNothing(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	apply(t, store, alpha)

	if err := os.Symlink("/proc/version", filepath.Join(store.Dir, "beta.yaml")); err != nil {
		t.Fatal(err)
	}

	changed := strings.Replace(alpha, "A=one", "A=two", 1)
	if applied, problems, err := store.Apply("input", []byte(changed+"---\n"+beta)); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("applied %v, %v, %s", applied, err, problems)
	}

	if content, err := os.ReadFile(filepath.Join(store.Dir, "alpha.yaml")); err != nil || string(content) != alpha {
		t.Errorf("the other file has changed, %v:\n%s", err, content)
	}

	if left, err := filepath.Glob(filepath.Join(store.Dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestDelete(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	apply(t, store, alpha+"---\n"+beta)

	if err := store.Delete("alpha"); err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(filepath.Join(store.Dir, "alpha.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}

	equal(t, "names left", len(load(t, store)), 1)

	err := store.Delete("alpha")
	if !errors.Is(err, ErrUnknown) || err.Error() != `cannot delete ExtensionServiceConfig "alpha": no such document` {
		t.Errorf("error %v", err)
	}
}
