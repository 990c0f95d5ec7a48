package talosconfig

import (
	"testing"
)

// Whatever a file says: it is read or refused, and what is merged into it says what it said before, and the new context.
func FuzzMerge(f *testing.F) {
	for _, text := range []string{
		"", "context: a\ncontexts:\n  a: {}\n  b:\n    endpoints: [x]\n", "contexts: {a: {endpoints: [b]}}", "contexts:\n", "{}", "[]", "a: b\n---\nc: d\n",
		"contexts: &x\n  a: {ca: Y2E=}\ncontext: >-\n  a\n", "\ufeffcontext: a\r\ncontexts:\r\n  a:\r\n", "%YAML 1.2\n---\ncontexts:\n  ? a\n  : {}\n...\n",
	} {
		f.Add(text, "vm", true)
		f.Add(text, "a", false)
	}

	f.Fuzz(func(t *testing.T, text, name string, replace bool) {
		before, err := Parse([]byte(text))
		if err != nil {
			return
		}

		fresh := added
		fresh.Name = name

		merged, called, err := Merge([]byte(text), fresh, replace)
		if err != nil {
			return // it is refused, and the file stays as it is
		}

		after, err := Parse(merged)
		if err != nil {
			t.Fatalf("%v:\n%s", err, merged)
		}

		for _, context := range before.Contexts {
			if context.Name == called {
				continue
			}

			if kept, err := after.Find(context.Name); context.Name != "" && (err != nil || !kept.equal(context)) {
				t.Errorf("context %q is not kept:\n%s", context.Name, merged)
			}
		}

		if after.Current != called {
			t.Errorf("%q is current, not %q", after.Current, called)
		}
	})
}
