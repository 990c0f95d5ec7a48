package spec

import "slices"

// Config is one ExtensionServiceConfig document: files and environment for the service of its name.
type Config struct {
	Name        string
	Files       []ConfigFile
	Environment []string // NAME=value, literal; wins over the service file's

	Source string // the file it was read from; not part of the document
}

// ConfigFile is one file that is mounted read-only into the container.
type ConfigFile struct {
	Content   string // literal
	MountPath string // absolute path in the container
}

// Same tells whether two documents say the same, wherever they stand.
func (c *Config) Same(other *Config) bool {
	return c.Name == other.Name && slices.Equal(c.Files, other.Files) && slices.Equal(c.Environment, other.Environment)
}
