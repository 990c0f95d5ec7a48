// Package config keeps ExtensionServiceConfig documents in a directory, where a daemon and people's editors find them as
// well. What it writes is there as a whole or not at all, at whatever moment the process or the machine dies.
package config
