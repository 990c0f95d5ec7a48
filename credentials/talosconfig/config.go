// Package talosconfig reads and edits the file in which Talos's clients keep whom they can talk to: contexts, each with
// endpoints, a CA and a client's certificate.
package talosconfig

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml"
)

// largestFile is far more than the contexts of any fleet need.
const largestFile = 4 << 20

// Config is what a file says.
type Config struct {
	Current  string // the name of the context that is meant when nobody says
	Contexts []Context
}

// Context is how to reach nodes, and who one is there.
type Context struct {
	Name      string
	Endpoints []string // where to connect to
	Nodes     []string // whom to ask
	// PEM texts: the CA that signed what servers show, and what the client shows.
	CA, Certificate, Key []byte
}

// fileOf and contextOf are the fields of Talos that are of use here; others are left alone.
type fileOf struct {
	Context  string                `yaml:"context"`
	Contexts map[string]*contextOf `yaml:"contexts"`
}

type contextOf struct {
	Endpoints []string `yaml:"endpoints"`
	Nodes     []string `yaml:"nodes"`
	CA        string   `yaml:"ca"`
	Crt       string   `yaml:"crt"`
	Key       string   `yaml:"key"`
}

// Read reads a file.
func Read(path string) (*Config, error) {
	content, err := ReadFile(path)
	if err != nil {
		return nil, err
	}

	config, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("cannot read the talosconfig %q: %w", path, err)
	}

	return config, nil
}

// ReadFile reads the text of a file.
func ReadFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the talosconfig %q: %w", path, cause(err))
	}
	defer file.Close()

	content, err := io.ReadAll(io.LimitReader(file, largestFile+1))
	if err == nil && len(content) > largestFile {
		err = fmt.Errorf("it has more than %d bytes", largestFile)
	}

	if err != nil {
		return nil, fmt.Errorf("cannot read the talosconfig %q: %w", path, cause(err))
	}

	return content, nil
}

// Parse reads the text of a file; an empty one has no contexts.
func Parse(content []byte) (*Config, error) {
	var file fileOf
	if err := yaml.Unmarshal(content, &file); err != nil {
		return nil, wrong(err)
	}

	config := &Config{Current: file.Context}

	for _, name := range slices.Sorted(maps.Keys(file.Contexts)) {
		entry := cmp.Or(file.Contexts[name], &contextOf{})
		context := Context{Name: name, Endpoints: entry.Endpoints, Nodes: entry.Nodes}

		for _, field := range []struct {
			name, text string
			to         *[]byte
		}{{"ca", entry.CA, &context.CA}, {"crt", entry.Crt, &context.Certificate}, {"key", entry.Key, &context.Key}} {
			decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(field.text))
			if err != nil {
				return nil, fmt.Errorf("context %q: %s is not in base64", name, field.name)
			}

			*field.to = decoded
		}

		config.Contexts = append(config.Contexts, context)
	}

	return config, nil
}

// wrong says where a file is wrong, without the source: that has keys in it.
func wrong(err error) error {
	var described yaml.Error
	if !errors.As(err, &described) {
		return errors.New("it is no talosconfig")
	}

	if token := described.GetToken(); token != nil && token.Position != nil {
		return fmt.Errorf("line %d, column %d: %s", token.Position.Line, token.Position.Column, described.GetMessage())
	}

	return errors.New(described.GetMessage())
}

// Names are those of the contexts.
func (c *Config) Names() []string {
	var names []string
	for _, context := range c.Contexts {
		names = append(names, context.Name)
	}

	return names
}

// Find returns the context with a name; the current one for none.
func (c *Config) Find(name string) (*Context, error) {
	wanted := cmp.Or(name, c.Current)

	for i := range c.Contexts {
		if c.Contexts[i].Name == wanted {
			return &c.Contexts[i], nil
		}
	}

	switch known := c.Names(); {
	case len(known) == 0:
		return nil, errors.New("it has no contexts")
	case wanted == "":
		return nil, fmt.Errorf("it does not say which context is meant; give --context, one of: %s", strings.Join(known, ", "))
	default:
		return nil, fmt.Errorf("it has no context %q; it has: %s", wanted, strings.Join(known, ", "))
	}
}

// cause strips the operation and the path, which the message has already.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}

	return err
}
