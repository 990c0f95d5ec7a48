package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/extactor/extactor/spec"
)

// appliedAs is what a configuration that is not from a file is called in problems.
const appliedAs = "configuration"

// withoutReboot is Talos's text about a mode.
const withoutReboot = "Applied configuration without a reboot"

// ApplyConfiguration implements machine.MachineService for the documents of services: those that are given are created or
// changed, all of them or none, and others stay as they are.
func (m *machineService) ApplyConfiguration(ctx context.Context, request *machine.ApplyConfigurationRequest) (*machine.ApplyConfigurationResponse, error) {
	if err := takesEffectAtOnce(request.GetMode()); err != nil {
		return nil, err
	}

	configs, problems := spec.ParseOnlyConfigs(appliedAs, request.GetData())
	if err := refused(problems); err != nil {
		return nil, err
	}

	if len(configs) == 0 {
		return nil, status.Errorf(codes.InvalidArgument, "the configuration has no document; an %s is expected", spec.ConfigKind)
	}

	answer := &machine.ApplyConfiguration{Mode: machine.ApplyConfigurationRequest_NO_REBOOT}

	if request.GetDryRun() {
		stored, _ := m.server.options.Configs.Load()
		answer.ModeDetails = fmt.Sprintf("Dry run summary:\n%s (skipped in dry-run).\n%s", withoutReboot, difference(stored, configs))
	} else {
		applied, _, found, err := m.server.options.Configs.Apply(ctx, appliedAs, request.GetData())
		if err != nil {
			return nil, failure(codes.Internal, err)
		}

		if err := refused(found); err != nil {
			return nil, err
		}

		answer.ModeDetails = withoutReboot
		for _, one := range applied {
			answer.ModeDetails += fmt.Sprintf("\n%s %q: %s", spec.ConfigKind, one.Name, one.Action)
		}
	}

	for _, problem := range problems {
		answer.Warnings = append(answer.Warnings, strings.ToValidUTF8(problem.String(), "\uFFFD"))
	}

	answer.ModeDetails = strings.ToValidUTF8(answer.ModeDetails, "\uFFFD")

	return &machine.ApplyConfigurationResponse{Messages: []*machine.ApplyConfiguration{answer}}, nil
}

// takesEffectAtOnce refuses the modes of Talos that need a host which is restarted, or a configuration that is taken back.
func takesEffectAtOnce(mode machine.ApplyConfigurationRequest_Mode) error {
	var why string

	switch mode {
	case machine.ApplyConfigurationRequest_AUTO, machine.ApplyConfigurationRequest_NO_REBOOT:
		return nil
	case machine.ApplyConfigurationRequest_REBOOT:
		why = "extactor does not restart its host"
	case machine.ApplyConfigurationRequest_STAGED:
		why = "a document takes effect at once, and does not wait for a restart of the host"
	case machine.ApplyConfigurationRequest_TRY:
		why = "a document that was applied is not taken back; a dry run shows what it would change"
	default:
		why = "it is unknown"
	}

	return status.Errorf(codes.InvalidArgument, "mode %s is not possible: %s; possible are AUTO and NO_REBOOT", mode, why)
}

// refused makes one error of all that is wrong. Problems of configuration do not show what stands in it.
func refused(problems spec.Problems) error {
	if failed := problems.Errors(); len(failed) > 0 {
		return status.Error(codes.InvalidArgument, strings.ToValidUTF8(failed.String(), "\uFFFD"))
	}

	return nil
}

// difference tells by name what would change. Values and contents may be secret.
func difference(stored, wanted []*spec.Config) string {
	var text strings.Builder

	for _, config := range wanted {
		before := &spec.Config{Name: config.Name}
		action := "created"

		for _, one := range stored {
			if one.Name == config.Name {
				before, action = one, "changed"
			}
		}

		if before.Same(config) {
			continue
		}

		fmt.Fprintf(&text, "\n%s %q: %s\n", spec.ConfigKind, config.Name, action)

		lines := changedNames("environment", variables(before), variables(config))
		lines = append(lines, changedNames("file", contents(before), contents(config))...)

		if len(lines) == 0 {
			lines = []string{"  ~ order\n"}
		}

		text.WriteString(strings.Join(lines, ""))
	}

	if text.Len() == 0 {
		return "No changes."
	}

	return "Config diff:\n" + text.String()
}

// changedNames lists what was added (+), changed (~) and removed (-).
func changedNames(kind string, before, after map[string]string) (lines []string) {
	names := slices.Collect(maps.Keys(before))

	for name := range after {
		if _, known := before[name]; !known {
			names = append(names, name)
		}
	}

	slices.Sort(names)

	for _, name := range names {
		was, there := before[name]
		is, stays := after[name]

		switch {
		case !there:
			lines = append(lines, fmt.Sprintf("  + %s %s\n", kind, name))
		case !stays:
			lines = append(lines, fmt.Sprintf("  - %s %s\n", kind, name))
		case was != is:
			lines = append(lines, fmt.Sprintf("  ~ %s %s\n", kind, name))
		}
	}

	return lines
}

// variables are the values by their names; where one is given twice, the last one counts.
func variables(config *spec.Config) map[string]string {
	values := make(map[string]string)

	for _, variable := range config.Environment {
		name, value, _ := strings.Cut(variable, "=")
		values[name] = value
	}

	return values
}

func contents(config *spec.Config) map[string]string {
	byPath := make(map[string]string)
	for _, file := range config.Files {
		byPath[file.MountPath] = file.Content
	}

	return byPath
}
