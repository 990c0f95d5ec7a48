package main

import (
	"fmt"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/spec"
)

// configsDocument is `extactor config list -o json`.
type configsDocument struct {
	APIVersion string                `json:"apiVersion"`
	Configs    []configEntryDocument `json:"configs"`
}

type configEntryDocument struct {
	Name        string               `json:"name"`
	Files       []configFileDocument `json:"files"`
	Environment []string             `json:"environment"` // names
	Source      string               `json:"source"`
}

// configDocument is `extactor config show -o json`: the document itself. Hidden, it lacks what it needs to be applied, so
// that nobody overwrites secrets with their absence.
type configDocument struct {
	APIVersion  string               `json:"apiVersion"`
	Kind        string               `json:"kind"`
	Name        string               `json:"name"`
	ConfigFiles []configFileDocument `json:"configFiles,omitempty"`
	Environment []string             `json:"environment,omitempty"` // NAME=value, or NAME where that is hidden
}

type configFileDocument struct {
	Content   *string `json:"content,omitempty"`
	MountPath string  `json:"mountPath"`
	Size      *int64  `json:"size,omitempty"` // in bytes; only where the content is hidden
}

func (a *app) showConfigs(response *apiv1.ListConfigsResponse, output string) error {
	document := configsDocument{APIVersion: apiVersion, Configs: make([]configEntryDocument, 0, len(response.GetConfigs()))}
	rows := [][]cell{plain("NAME", "FILES", "ENVIRONMENT", "SOURCE")}

	for _, config := range response.GetConfigs() {
		document.Configs = append(document.Configs, configEntryDocument{
			Name: config.GetName(), Source: config.GetSource(), Files: hiddenFiles(config), Environment: variables(config),
		})
		rows = append(rows, plain(config.GetName(), fmt.Sprint(len(config.GetFiles())), fmt.Sprint(len(config.GetEnvironment())), config.GetSource()))
	}

	switch output {
	case outputJSON:
		return writeJSON(a.stdout, document, "  ")
	case outputYAML:
		return writeYAML(a.stdout, document)
	default:
		(&table{out: a.stdout}).write(rows...)

		return nil
	}
}

func (a *app) showConfig(config *apiv1.Config, output string) error {
	if config.GetRevealed() && output == outputYAML {
		_, err := a.stdout.Write(spec.EncodeConfig(revealed(config)))

		return err
	}

	document := configDocument{
		APIVersion: spec.ConfigAPIVersion, Kind: spec.ConfigKind, Name: config.GetName(),
		ConfigFiles: hiddenFiles(config), Environment: variables(config),
	}

	if config.GetRevealed() {
		whole := revealed(config)
		document.Environment = whole.Environment
		document.ConfigFiles = nil

		for _, file := range whole.Files {
			document.ConfigFiles = append(document.ConfigFiles, configFileDocument{Content: &file.Content, MountPath: file.MountPath})
		}
	}

	if output == outputJSON {
		return writeJSON(a.stdout, document, "  ")
	}

	return writeYAML(a.stdout, document)
}

func hiddenFiles(config *apiv1.Config) []configFileDocument {
	files := make([]configFileDocument, 0, len(config.GetFiles()))
	for _, file := range config.GetFiles() {
		size := file.GetSize()
		files = append(files, configFileDocument{MountPath: file.GetMountPath(), Size: &size})
	}

	return files
}

func variables(config *apiv1.Config) []string {
	names := make([]string, 0, len(config.GetEnvironment()))
	for _, variable := range config.GetEnvironment() {
		names = append(names, variable.GetName())
	}

	return names
}

// revealed is the document as it is stored.
func revealed(config *apiv1.Config) *spec.Config {
	whole := &spec.Config{Name: config.GetName()}
	for _, file := range config.GetFiles() {
		whole.Files = append(whole.Files, spec.ConfigFile{Content: file.GetContent(), MountPath: file.GetMountPath()})
	}

	for _, variable := range config.GetEnvironment() {
		whole.Environment = append(whole.Environment, variable.GetName()+"="+variable.GetValue())
	}

	return whole
}
