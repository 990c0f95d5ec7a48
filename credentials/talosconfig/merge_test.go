package talosconfig

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

var added = Context{
	Name: "vm", Endpoints: []string{"10.5.0.2", "fd00::1"}, Nodes: []string{"10.5.0.2"},
	CA: []byte("ca"), Certificate: []byte("crt"), Key: []byte("key"),
}

const addedText = `    vm:
        endpoints:
            - 10.5.0.2
            - "fd00::1"
        nodes:
            - 10.5.0.2
        ca: Y2E=
        crt: Y3J0
        key: a2V5
`

func TestMerge(t *testing.T) {
	for name, test := range map[string]struct {
		before, want string
		name         string
		replace      bool
	}{
		"no file":                        {"", "context: vm\ncontexts:\n" + addedText, "vm", false},
		"a comment only":                 {"# mine\n", "# mine\ncontext: vm\ncontexts:\n" + addedText, "vm", false},
		"as talosctl makes an empty one": {"context: \"\"\ncontexts: {}\n", "context: vm\ncontexts:\n" + addedText, "vm", false},
		"null":                           {"contexts: # none yet\n", "context: vm\ncontexts: # none yet\n" + addedText, "vm", false},
		"others, with comments": {
			"# mine\ncontext: home # for now\ncontexts:\n    # at home\n    home:\n        endpoints: [a]\n        ca: \"\"\nother: 1\n",
			"# mine\ncontext: vm # for now\ncontexts:\n" + addedText + "    # at home\n    home:\n        endpoints: [a]\n        ca: \"\"\nother: 1\n", "vm", false,
		},
		"another indentation, no line break at the end": {
			"contexts:\n  \"h\":\n    endpoints:\n    - a\ncontext: 'h'",
			"contexts:\n" + indentedBy2(addedText) + "  \"h\":\n    endpoints:\n    - a\ncontext: vm\n", "vm", false,
		},
		"a name that is taken": {
			"context: vm\ncontexts:\n    vm:\n        endpoints: [a]\n    vm-1:\n        endpoints: [b]\n",
			"context: vm-2\ncontexts:\n" + strings.Replace(addedText, "vm:", "vm-2:", 1) + "    vm:\n        endpoints: [a]\n    vm-1:\n        endpoints: [b]\n", "vm-2", false,
		},
		"a name that is replaced": {
			"context: home\ncontexts:\n    home:\n        endpoints: [a]\n    vm:\n        endpoints: [a]\n        nodes:\n        - b\n    # after\n    z:\n        endpoints: [b]\n",
			"context: vm\ncontexts:\n" + addedText + "    home:\n        endpoints: [a]\n    # after\n    z:\n        endpoints: [b]\n", "vm", true,
		},
		"the only one is replaced": {"context: vm\ncontexts:\n  vm: {}\n", "context: vm\ncontexts:\n" + addedText, "vm", true},
	} {
		t.Run(name, func(t *testing.T) {
			got, called, err := Merge([]byte(test.before), added, test.replace)
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, string(got)); diff != "" || called != test.name {
				t.Errorf("%q (-want +got):\n%s", called, diff)
			}
		})
	}
}

// indentedBy2 is a block in a file whose contexts stand two columns in.
func indentedBy2(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimPrefix(line, "  "))
	}

	return strings.Join(lines, "")
}

// A file in an unusual layout keeps what it says.
func TestMergeIntoUnusualLayouts(t *testing.T) {
	for name, before := range map[string]string{
		"JSON":             `{"context": "home", "contexts": {"home": {"endpoints": ["a"], "cluster": "c"}}}`,
		"contexts in flow": "context: home\ncontexts: {home: {endpoints: [a], cluster: c}}\n",
		"an anchor":        "context: &x home\ncontexts:\n  home: {endpoints: [a], cluster: c}\n",
		"a folded name":    "context: >-\n  home\ncontexts:\n  home: {endpoints: [a], cluster: c}\n",
		"a document":       "---\ncontext: home\ncontexts:\n  home: {endpoints: [a], cluster: c}\n...\n",
		"CRLF":             "context: home\r\ncontexts:\r\n  home:\r\n    endpoints: [a]\r\n    cluster: c\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, replace := range []bool{false, true} {
				merged, _, err := Merge([]byte(before), added, replace)
				if err != nil {
					t.Fatal(err)
				}

				config, err := Parse(merged)
				if err != nil {
					t.Fatalf("%v:\n%s", err, merged)
				}

				home, err := config.Find("home")
				if err != nil || !reflect.DeepEqual(home.Endpoints, []string{"a"}) || !strings.Contains(string(merged), "cluster") {
					t.Errorf("%v:\n%s", err, merged)
				}

				if got, err := config.Find(""); err != nil || !got.equal(added) {
					t.Errorf("%v:\n%s", err, merged)
				}
			}
		})
	}
}

// Whatever contexts there are, and whatever their names, merging leaves the others byte for byte.
func TestMergeKeepsOthers(t *testing.T) {
	text := rapid.OneOf(rapid.StringMatching(`[a-z0-9][-a-z0-9.@:]{0,8}`), rapid.SampledFrom([]string{"true", "1", "0x1", "1e3", "~", "a b", "ü", "#", "-", "null", "2026-01-01", "vm"}))
	one := rapid.Custom(func(t *rapid.T) Context {
		return Context{
			Name: text.Draw(t, "name"), Endpoints: rapid.SliceOfN(text, 0, 3).Draw(t, "endpoints"), Nodes: rapid.SliceOfN(text, 0, 2).Draw(t, "nodes"),
			CA: []byte(text.Draw(t, "ca")), Certificate: []byte(text.Draw(t, "crt")), Key: []byte(text.Draw(t, "key")),
		}
	})

	rapid.Check(t, func(t *rapid.T) {
		contexts := rapid.SliceOfNDistinct(one, 0, 5, func(context Context) string { return context.Name }).Draw(t, "contexts")
		indent := strings.Repeat(" ", rapid.IntRange(1, 4).Draw(t, "indent"))

		var before strings.Builder

		before.WriteString("contexts:\n")

		for i, context := range contexts {
			fmt.Fprintf(&before, "%s# number %d\n%s", indent, i, strings.Join(block(context, indent), ""))
		}

		fmt.Fprintf(&before, "# the end\ncontext: %s\n", quoted(text.Draw(t, "current")))

		fresh, replace := one.Draw(t, "added"), rapid.Bool().Draw(t, "replace")

		merged, name, err := Merge([]byte(before.String()), fresh, replace)
		if err != nil {
			t.Fatalf("%v:\n%s", err, before.String())
		}

		config, err := Parse(merged)
		if err != nil {
			t.Fatalf("%v:\n%s", err, merged)
		}

		for i, context := range contexts {
			if context.Name == name {
				if !replace {
					t.Errorf("%q is not renamed", name)
				}

				continue
			}

			if !strings.Contains(string(merged), strings.Join(block(context, indent), "")) || !strings.Contains(string(merged), fmt.Sprintf("# number %d\n", i)) {
				t.Errorf("%q is not as it was:\n%s", context.Name, merged)
			}

			if !slices.Contains(config.Names(), context.Name) {
				t.Errorf("%q is gone", context.Name)
			}
		}

		got, err := config.Find("")
		if err != nil || got.Name != name || string(got.Key) != string(fresh.Key) || !strings.HasPrefix(name, fresh.Name) {
			t.Errorf("the new one is not the current one: %v:\n%s", err, merged)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"contexts: [":                            "line 1, column",
		"contexts: x":                            "line 1, column 11",
		"- a":                                    "line 1, column",
		"contexts:\n  a:\n    key: '%'\n":        `context "a": key is not in base64`,
		"contexts:\n  a: {}\n  a: {}\n":          "line 3, column",
		"contexts:\n  a:\n    endpoints: {b: c}": "line 3, column",
	} {
		_, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, not %q", text, err, want)
		}

		if _, _, err := Merge([]byte(text), added, false); err == nil {
			t.Errorf("%q: merged", text)
		}
	}
}

func TestFind(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "it has no contexts",
		"contexts:\n  a:\n  b:\n":           "give --context, one of: a, b",
		"context: c\ncontexts:\n  a:\n  b:": `it has no context "c"; it has: a, b`,
	} {
		config, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}

		if _, err := config.Find(""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", text, err, want)
		}
	}

	config, err := Parse([]byte("contexts:\n  a: {key: " + encoded("k") + "}\n"))
	if err != nil {
		t.Fatal(err)
	}

	if context, err := config.Find("a"); err != nil || string(context.Key) != "k" {
		t.Errorf("%v %v", context, err)
	}
}
