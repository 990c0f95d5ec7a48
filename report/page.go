package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"strings"

	"github.com/extactor/extactor/picture"
)

//go:embed page
var files embed.FS

// skeleton is the page without what changes. It has no inline handlers and no style attributes: what runs and what paints
// are the two elements whose hashes the policy names.
//
//go:embed page/page.html
var skeleton string

// Page writes the page. Nothing that was recorded stands in it as text: the records are packed in letters that mean nothing
// to HTML, and the script of the page puts them on the screen as text only.
func (r *Report) Page(heading Heading, logs Logs) ([]byte, error) {
	packed, err := r.encode(heading, logs)
	if err != nil {
		return nil, fmt.Errorf("cannot make the report: %w", err)
	}

	script, err := joined("page/*.js")
	if err != nil {
		return nil, err
	}

	style, err := joined("page/*.css")
	if err != nil {
		return nil, err
	}

	light, dark := picture.Palette()
	style = strings.NewReplacer("/*light*/", light, "/*dark*/", dark).Replace(style)
	script = "'use strict';\n(() => {\n" + script + "})();\n"

	policy := fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; base-uri 'none'; form-action 'none'", hash(script), hash(style))
	page := strings.NewReplacer(
		"[[policy]]", policy, "[[style]]", style,
		"[[journal]]", base64.StdEncoding.EncodeToString(packed), "[[script]]", script,
	).Replace(skeleton)

	return []byte(page), nil
}

// hash names the content of an element in a policy.
func hash(content string) string {
	sum := sha256.Sum256([]byte(content))

	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// joined are the files of a pattern, one after the other by name.
func joined(pattern string) (string, error) {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return "", err
	}

	var all strings.Builder

	for _, name := range names {
		content, err := files.ReadFile(name)
		if err != nil {
			return "", err
		}

		all.Write(content)
	}

	return all.String(), nil
}
