package credentials

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func fifo(path string) error { return syscall.Mkfifo(path, 0o600) }

func TestCreate(t *testing.T) {
	dir, set := made(t, Options{Names: []string{"10.5.0.2", "node-a.example", "fd00::1"}})

	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v %v", info.Mode(), err)
	}

	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}

	var names []string

	for _, entry := range entries {
		names = append(names, entry.Name())

		if info, err := entry.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v %v", entry.Name(), info.Mode(), err)
		}
	}

	if want := []string{authorityFile, authorityKeyFile, serverFile, serverKeyFile}; !slices.Equal(names, want) {
		t.Errorf("files %q, not %q", names, want)
	}

	if got, want := NamesOf(set.Server.Chain[0]), []string{"node-a.example", "10.5.0.2", "fd00::1"}; !slices.Equal(got, want) {
		t.Errorf("names %q, not %q", got, want)
	}

	before, err := readFiles(dir)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := Create(dir, Options{Names: []string{"x"}}, time.Now()); !errors.Is(err, ErrExists) {
		t.Errorf("a second time: %v", err)
	}

	if after, err := readFiles(dir); err != nil || !after.equal(before) {
		t.Errorf("it was refused, and has changed something: %v", err)
	}

	if replaced, err := Create(dir, Options{Names: []string{"x"}, Replace: true}, time.Now()); err != nil {
		t.Error(err)
	} else if read, err := Read(dir); err != nil || !read.Server.Chain[0].Equal(replaced.Server.Chain[0]) {
		t.Errorf("it is not replaced: %v", err)
	}
}

// A link in the place of a file is replaced; what it leads to stays.
func TestFilesAreNotWrittenThroughLinks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "credentials")
	victim := filepath.Join(t.TempDir(), "victim")

	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(victim, []byte("mine"), 0o600), os.Symlink(victim, filepath.Join(dir, serverKeyFile))); err != nil {
		t.Fatal(err)
	}

	if _, err := Create(dir, Options{Names: []string{"x"}, Replace: true}, time.Now()); err != nil {
		t.Fatal(err)
	}

	if content, err := os.ReadFile(victim); err != nil || string(content) != "mine" {
		t.Errorf("%q %v", content, err)
	}
}

// Who is killed while a key is written leaves it in a file that nobody knows of; the next one cleans up.
func TestLeftoversAreRemoved(t *testing.T) {
	dir, _ := made(t, Options{})
	left, foreign := filepath.Join(dir, "."+authorityKeyFile+".123"), filepath.Join(dir, ".note")

	if err := errors.Join(os.WriteFile(left, []byte("half a key"), 0o600), os.WriteFile(foreign, nil, 0o600)); err != nil {
		t.Fatal(err)
	}

	if _, err := Rotate(dir, Rotation{WithoutKey: true}, time.Now()); err != nil {
		t.Fatal(err)
	}

	for path, stays := range map[string]bool{left: false, foreign: true} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// What root writes into somebody's file stays theirs, and what somebody has put into a directory of others is root's.
func TestOwnerIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs root, to give files to others")
		}

		t.Skip("SKIPPED: needs root, to give files to others")
	}

	const somebody = 12345

	for name, above := range map[string]int{"of somebody": somebody, "of root": 0} {
		dir := t.TempDir()
		path := filepath.Join(dir, "talosconfig")

		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, somebody, somebody), os.Chown(dir, above, above), WriteFile(path, []byte("x"))); err != nil {
			t.Fatal(err)
		}

		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}

		if owner := info.Sys().(*syscall.Stat_t).Uid; int(owner) != above || info.Mode() != 0o600 {
			t.Errorf("in a directory %s: of %d, %v", name, owner, info.Mode())
		}
	}
}

func TestAuthorityOfOthers(t *testing.T) {
	office, set := made(t, Options{})

	authority, err := LoadAuthority(filepath.Join(office, authorityFile), filepath.Join(office, authorityKeyFile))
	if err != nil {
		t.Fatal(err)
	}

	node, _ := made(t, Options{Authority: authority, WithoutKey: true})

	read, err := Read(node)
	if err != nil {
		t.Fatal(err)
	}

	if read.CanSign() || !read.Authority.Certificate.Equal(set.Authority.Certificate) {
		t.Error("the CA is another one, or its key is there")
	}

	if _, err := Rotate(node, Rotation{}, time.Now()); err == nil || !strings.Contains(err.Error(), "give it with --ca-cert and --ca-key") {
		t.Errorf("without a key: %v", err)
	}

	if _, err := Rotate(node, Rotation{Authority: authority}, time.Now()); err != nil {
		t.Error(err)
	}

	if read, err = Read(node); err != nil || read.CanSign() || len(read.Accepted) > 0 {
		t.Errorf("the key has come, or the CA is accepted twice: %v", err)
	}
}

// Clients of a CA go on working while it is replaced, on all nodes in whatever order, until it is dropped.
func TestRotationOfAuthority(t *testing.T) {
	office, before := made(t, Options{})
	authority := before.Authority

	first, _ := made(t, Options{Authority: authority, WithoutKey: true})
	second, _ := made(t, Options{Authority: authority, WithoutKey: true})
	old := client(t, before, Admin)

	after, err := Rotate(office, Rotation{NewAuthority: true}, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	renewed := client(t, after, Operator)

	loaded, err := LoadAuthority(filepath.Join(office, authorityFile), filepath.Join(office, authorityKeyFile))
	if err != nil {
		t.Fatal(err)
	}

	if _, err := Rotate(first, Rotation{Authority: loaded}, time.Now()); err != nil {
		t.Fatal(err)
	}

	for name, dir := range map[string]string{"a node that has the new CA": first, "a node that has the old one": second} {
		address := served(t, opened(t, dir, unreported(t)))

		if got := greeting(address, old); got != string(Admin) {
			t.Errorf("%s, old client: %q", name, got)
		}

		if got := greeting(address, renewed); got != string(Operator) {
			t.Errorf("%s, new client: %q", name, got)
		}
	}

	if _, err := Rotate(second, Rotation{DropOld: true}, time.Now()); err != nil {
		t.Errorf("a node that has no other CA: %v", err)
	}

	if _, err := Rotate(first, Rotation{DropOld: true}, time.Now()); err != nil { // which needs no key
		t.Fatal(err)
	}

	address := served(t, opened(t, first, unreported(t)))

	old.RootCAs = renewed.RootCAs // it would trust the server, but the server does not trust it
	if got := greeting(address, old); !strings.Contains(got, "certificate required") {
		t.Errorf("old client, after all: %q", got)
	}

	if got := greeting(address, renewed); got != string(Operator) {
		t.Errorf("new client, after all: %q", got)
	}
}

// Whoever is killed while replacing leaves credentials that can be used, after each step.
func TestRotationFitsAfterEachStep(t *testing.T) {
	for name, rotation := range map[string]Rotation{
		"server":               {},
		"CA":                   {NewAuthority: true},
		"CA, and drop the old": {NewAuthority: true, DropOld: true},
		"drop the old":         {DropOld: true},
		"without the key":      {NewAuthority: true, WithoutKey: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, before := made(t, Options{})

			if name == "drop the old" {
				var err error
				if before, err = Rotate(dir, Rotation{NewAuthority: true}, time.Now()); err != nil {
					t.Fatal(err)
				}
			}

			spare := filepath.Join(t.TempDir(), "spare")
			if err := os.CopyFS(spare, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}

			for _, file := range []string{authorityKeyFile, serverKeyFile} {
				if err := os.Chmod(filepath.Join(spare, file), 0o600); err != nil {
					t.Fatal(err)
				}
			}

			if err := os.Chmod(spare, 0o700); err != nil {
				t.Fatal(err)
			}

			after, err := Rotate(spare, rotation, time.Now())
			if err != nil {
				t.Fatal(err)
			}

			for number, step := range after.steps(dir, before, rotation.WithoutKey) {
				if err := step(); err != nil {
					t.Fatal(err)
				}

				if _, err := Read(dir); err != nil {
					t.Errorf("after step %d: %v", number+1, err)
				}
			}

			left, err := readFiles(dir)
			want, wrong := readFiles(spare)

			if err != nil || wrong != nil || !left.equal(want) {
				t.Errorf("in the end it is not as it should be: %v %v", err, wrong)
			}
		})
	}
}

func TestAuthorityRefuses(t *testing.T) {
	now := time.Now()

	authority, err := NewAuthority(now)
	if err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]struct {
		ttl  time.Duration
		at   time.Time
		want string
	}{
		"too short":             {time.Second, now, "it is at least 1m0s"},
		"too long":              {lifetime + time.Hour, now, "it would outlive its CA"},
		"an expired CA":         {time.Hour, now.Add(lifetime + time.Hour), "extactor credentials rotate --ca"},
		"a clock that is late":  {time.Hour, now.Add(-48 * time.Hour), "the clock of this machine says"},
		"a clock that is unset": {time.Hour, time.Unix(0, 0), "the clock of this machine is not set"},
	} {
		if _, err := authority.Client(Reader, test.ttl, test.at); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, not %q", name, err, test.want)
		}
	}

	if _, err := NewAuthority(time.Unix(0, 0)); err == nil {
		t.Error("a CA was made in 1970")
	}

	if _, err := ParseRole("root"); err == nil || !strings.Contains(err.Error(), "reader, operator or admin") {
		t.Errorf("an unknown role: %v", err)
	}

	if role, err := ParseRole("os:admin"); role != Admin || err != nil {
		t.Errorf("os:admin: %q %v", role, err)
	}
}

// A CA that has expired can be replaced all the same, and nothing else can be done with it.
func TestExpiredAuthority(t *testing.T) {
	dir, before := made(t, Options{})
	late := before.Authority.Certificate.NotAfter.Add(time.Hour)

	if _, err := Rotate(dir, Rotation{}, late); err == nil || !strings.Contains(err.Error(), "extactor credentials rotate --ca") {
		t.Errorf("a server by a CA that has expired: %v", err)
	}

	after, err := Rotate(dir, Rotation{NewAuthority: true}, late)
	if err != nil {
		t.Fatal(err)
	}

	if read, err := Read(dir); err != nil || !read.Authority.Certificate.Equal(after.Authority.Certificate) {
		t.Errorf("%v", err)
	}
}

func TestRotateMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")

	if _, err := Rotate(dir, Rotation{}, time.Now()); !errors.Is(err, ErrNone) {
		t.Errorf("rotate what is not there: %v", err)
	}

	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory is left: %v", err)
	}
}

// What Talos puts into a certificate is read as Talos does.
func TestRolesOf(t *testing.T) {
	certificate := &x509.Certificate{}
	certificate.Subject.Organization = []string{"", " os:reader", "os:etcd:backup"}

	if got, want := RolesOf(certificate), []Role{Reader, "os:etcd:backup"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
