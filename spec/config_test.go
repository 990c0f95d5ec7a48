package spec_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/spec"
)

func TestLoadConfigDir(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := func(name string) string {
		return "apiVersion: v1alpha1\nkind: ExtensionServiceConfig\nname: " + name + "\nenvironment: [A=secret]\n"
	}
	write("10-one.yaml", config("one")+"---\n"+config("two"))
	write("20-again.yaml", "# again\n"+config("two")+"---\n"+config("three"))
	write(".hidden.yaml", "not looked at")
	write("other.yml", "not looked at")
	write("large.yaml", strings.Repeat("# large\n", spec.MaxFileSize/8+1))
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling.yaml")); err != nil {
		t.Fatal(err)
	}
	configs, problems := spec.LoadConfigDir(dir)
	var got []string
	for _, config := range configs {
		got = append(got, filepath.Base(config.Source)+" "+config.Name)
	}
	if diff := cmp.Diff([]string{"10-one.yaml one", "10-one.yaml two", "20-again.yaml three"}, got); diff != "" {
		t.Errorf("configs (-want +got):\n%s", diff)
	}
	want := `other.yml: warning: this file is not read: its name must end in .yaml
20-again.yaml:4:7: the name "two" is already taken by 10-one.yaml:6: each service has one document
dangling.yaml: cannot read file: no such file or directory
large.yaml: the file is larger than 1048576 bytes, which is the most that is allowed`
	if diff := cmp.Diff(want, strings.ReplaceAll(problems.String(), dir+"/", "")); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if configs, problems := spec.LoadConfigDir(filepath.Join(dir, "none")); configs != nil || problems != nil {
		t.Errorf("a missing directory gives %v, %v", configs, problems)
	}
}

func TestLoadHostServices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "extactor.yaml")
	if services, problems := spec.LoadHostServices(path); services != nil || problems != nil {
		t.Errorf("a missing file gives %v, %v", services, problems)
	}
	if err := os.WriteFile(path, []byte("hostServices: {cri: {path: /run/x}, bad: {}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	services, problems := spec.LoadHostServices(path)
	if diff := cmp.Diff([]spec.HostService{{Name: "cri", Path: "/run/x"}}, services); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	if len(problems) != 1 || problems[0].File != path || problems[0].Line != 1 {
		t.Errorf("problems:\n%s", problems)
	}
	if _, problems := spec.LoadHostServices(filepath.Dir(path)); len(problems.Errors()) != 1 {
		t.Errorf("a directory gives %v", problems)
	}
}

func TestEncodeConfigForPeople(t *testing.T) {
	got := string(spec.EncodeConfig(&spec.Config{
		Name: "nut-client",
		Files: []spec.ConfigFile{
			{Content: "MONITOR ups 1\n\n  indented\ttab\n", MountPath: "/usr/local/etc/nut/upsmon.conf"},
			{Content: "no line break\nat the end", MountPath: "/etc/with space"},
			{Content: " begins with a space\n", MountPath: "/etc/x"},
		},
		Environment: []string{"NUT_UPS=ups@host", "URL=http://x:80/ # y", "EMPTY="},
	}))
	want := `apiVersion: v1alpha1
kind: ExtensionServiceConfig
name: nut-client
configFiles:
  - content: |
      MONITOR ups 1

        indented	tab
    mountPath: /usr/local/etc/nut/upsmon.conf
  - content: |-
      no line break
      at the end
    mountPath: "/etc/with space"
  - content: " begins with a space\n"
    mountPath: /etc/x
environment:
  - NUT_UPS=ups@host
  - "URL=http://x:80/ # y"
  - EMPTY=
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

// anyConfig draws a valid document with texts that YAML makes hard.
func anyConfig(t *rapid.T, name string) *spec.Config {
	line := rapid.OneOf(
		rapid.SampledFrom([]string{
			"", " ", "\t", "---", "...", "# x", "- a", "a: b", "'", "\"", "\\n", "|", "null", "~", "yes", "1e3", "%YAML", "\u2028", "\ufeff",
			"\u0085", "é", "\U0001f600", " lead", "trail ", "\ttab", "<<<", strings.Repeat("<", 200), "*x", "&x", "!x", "{", "]", "\r", "\x1b",
		}),
		rapid.StringMatching(`[ -~\t]{0,20}`), rapid.StringN(0, 20, 60),
	)
	text := rapid.Custom(func(t *rapid.T) string {
		lines := rapid.SliceOfN(line, 0, 6).Draw(t, "lines")
		return strings.ReplaceAll(strings.Join(lines, "\n"), "\x00", "")
	})
	config := &spec.Config{Name: name, Source: "x.yaml"}
	for i := range rapid.IntRange(0, 3).Draw(t, "files") {
		content := text.Filter(func(text string) bool { return text != "" }).Draw(t, "content")
		path := fmt.Sprintf("/f%d%s", i, strings.ReplaceAll(line.Draw(t, "path"), "/", ""))
		config.Files = append(config.Files, spec.ConfigFile{Content: content, MountPath: strings.ReplaceAll(path, "\x00", "")})
	}
	least := 0
	if len(config.Files) == 0 {
		least = 1
	}
	for i := range rapid.IntRange(least, 3).Draw(t, "variables") {
		config.Environment = append(config.Environment, fmt.Sprintf("V%d=%s", i, text.Draw(t, "value")))
	}
	return config
}

var anyName = rapid.OneOf(rapid.SampledFrom([]string{"null", "true", "1e3", "-", "-a", "0x1f", "_", "y"}), rapid.StringMatching(`[a-z][-_a-z0-9]{0,9}`))

func TestEncodedConfigReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := anyConfig(t, anyName.Draw(t, "name"))
		document := spec.EncodeConfig(config)
		got, problems := spec.ParseConfigs("x.yaml", document)
		if len(problems.Errors()) > 0 || len(got) != 1 {
			t.Fatalf("%d configs of\n%s\n%s", len(got), document, problems)
		}
		if diff := cmp.Diff(config, got[0]); diff != "" {
			t.Fatalf("config (-want +got):\n%s\n%s", diff, document)
		}
		if again := spec.EncodeConfig(got[0]); !bytes.Equal(again, document) {
			t.Fatalf("encoded again:\n%s\nfirst:\n%s", again, document)
		}
	})
}

// anyFile draws a file of documents: those of the names, in any order, among others. Each part begins a document of its
// own, so that the parts can be compared byte for byte.
func anyFile(t *rapid.T, names []string) (parts []string) {
	others := []string{
		"---\nkind: Other # é\nx: |+\n  text\n\n\n", "--- # comment\n{kind: Other, a: [b]}\n", "---\n", "---\n# only a comment\n",
		"---\nversion: v1alpha1\nmachine: {}\r\n", "---\n\"broken\n", "---\nx: 'a\n  --- b'\n", "---\nkind: Other\n...\n",
		"---\nkind: ExtensionServiceConfig\nname: [broken]\n", "---\nx: y\n...\n%YAML 1.2\n---\nz: 1\n", "---\t\n- list\r",
	}
	for _, name := range names {
		document := string(spec.EncodeConfig(anyConfig(t, name)))
		if rapid.Bool().Draw(t, "windows") && !strings.Contains(document, "|") {
			document = strings.ReplaceAll(document, "\n", "\r\n")
		}
		parts = append(parts, rapid.SampledFrom([]string{"---\n", "--- # mine\n", "---  \r\n"}).Draw(t, "start")+document+
			rapid.SampledFrom([]string{"", "", "...\n", "# behind\n", "\n"}).Draw(t, "end"))
	}
	for range rapid.IntRange(0, 4).Draw(t, "others") {
		at := rapid.IntRange(0, len(parts)).Draw(t, "at")
		parts = slices.Insert(parts, at, rapid.SampledFrom(others).Draw(t, "other"))
	}
	if len(parts) > 0 && rapid.Bool().Draw(t, "no start") {
		parts[0] = strings.TrimPrefix(parts[0], "---\n")
	}
	return parts
}

func read(t *rapid.T, content []byte) map[string]*spec.Config {
	configs, _ := spec.ParseConfigs("x.yaml", content)
	found := make(map[string]*spec.Config)
	for _, config := range configs {
		found[config.Name] = config
	}
	return found
}

func TestReplaceAndRemoveKeepOtherDocuments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"one", "two", "three", "four"}), 0, 4, rapid.ID[string]).Draw(t, "names")
		parts := anyFile(t, names)
		content := []byte(strings.Join(parts, ""))
		name := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "name")
		config := anyConfig(t, name)
		want := read(t, content)
		if len(want) != len(names) {
			t.Fatalf("%d configs of %d in\n%s", len(want), len(names), content)
		}
		removed, found := spec.RemoveConfig(content, name)
		if found != slices.Contains(names, name) || !found && !bytes.Equal(removed, content) {
			t.Fatalf("removed is %t of %v", found, names)
		}
		replaced := spec.ReplaceConfig(content, name, spec.EncodeConfig(config))
		keepsParts(t, parts, name, removed)
		keepsParts(t, parts, name, replaced)
		delete(want, name)
		if diff := cmp.Diff(want, read(t, removed)); diff != "" {
			t.Fatalf("removed from\n%s\n(-want +got)\n%s", content, diff)
		}
		want[name] = config
		if diff := cmp.Diff(want, read(t, replaced)); diff != "" {
			t.Fatalf("replaced in\n%s\n(-want +got)\n%s\n%s", content, diff, replaced)
		}
		if again := spec.ReplaceConfig(replaced, name, spec.EncodeConfig(config)); !bytes.Equal(again, replaced) {
			t.Fatalf("replaced again:\n%s\nfirst:\n%s", again, replaced)
		}
	})
}

// keepsParts demands that the parts but the one of that name follow each other in the result.
func keepsParts(t *rapid.T, parts []string, name string, result []byte) {
	for _, part := range parts {
		if configs, _ := spec.ParseConfigs("", []byte(part)); len(configs) == 1 && configs[0].Name == name {
			continue
		}
		at := bytes.Index(result, []byte(part))
		if at < 0 {
			t.Fatalf("%q is not in its place in\n%s", part, result)
		}
		result = result[at+len(part):]
	}
}

// TestConfigProblemsHideSecrets breaks a document at random: whatever is said about it, no value is in it.
func TestConfigProblemsHideSecrets(t *testing.T) {
	const secret = "S3CRET"
	document := []rune(`apiVersion: v1alpha1
kind: ExtensionServiceConfig
name: nut-client
configFiles:
  - content: |
      S3CRET: S3CRET
      - S3CRET "S3CRET"
    mountPath: /usr/local/etc/nut/upsmon.conf
  - {content: "S3CRET", mountPath: '/etc/x'}
environment:
  - NUT_UPS=S3CRET
  - "NUT_PASS=S3CRET"
`)
	broken := 0
	rapid.Check(t, func(t *rapid.T) {
		text := slices.Clone(document)
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "change") {
			case 0:
				text = slices.Delete(text, at, min(len(text), at+rapid.IntRange(1, 12).Draw(t, "length")))
			case 1:
				text = slices.Insert(text, at, []rune(rapid.SampledFrom([]string{
					"\n", " ", ":", "- ", "\"", "'", "*", "&", "!", "{", "}", "[", "?", "|", "%", "\t", "<<: ", "\x01", "---\n", "%YAML ",
				}).Draw(t, "text"))...)
			case 2:
				end := min(len(text), at+rapid.IntRange(1, 40).Draw(t, "length"))
				text = slices.Insert(text, rapid.IntRange(0, len(text)-1).Draw(t, "to"), slices.Clone(text[at:end])...)
			}
			if len(text) == 0 {
				return
			}
		}
		_, problems := spec.ParseConfigs("x.yaml", []byte(string(text)))
		if len(problems) > 0 {
			broken++
		}
		if said := fmt.Sprintf("%s %+v", problems, problems); strings.Contains(said, secret) {
			t.Fatalf("%s\nsays %s", string(text), said)
		}
	})
	if broken == 0 {
		t.Error("nothing was broken")
	}
}
