package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/spec"
)

// ApplyConfig implements extactor.v1.
func (e *extactorService) ApplyConfig(ctx context.Context, request *apiv1.ApplyConfigRequest) (*apiv1.ApplyConfigResponse, error) {
	source := cmp.Or(request.GetSource(), "document")

	applied, changes, problems, err := e.server.options.Configs.Apply(ctx, source, request.GetContent())
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	response := &apiv1.ApplyConfigResponse{Problems: problemsOf(problems), Changes: changesOf(changes)}
	for _, one := range applied {
		response.Applied = append(response.Applied, &apiv1.AppliedConfig{Name: one.Name, Action: one.Action, Source: one.Source})
	}

	return response, nil
}

// ListConfigs implements extactor.v1.
func (e *extactorService) ListConfigs(context.Context, *apiv1.ListConfigsRequest) (*apiv1.ListConfigsResponse, error) {
	configs, problems := e.server.options.Configs.Load()
	response := &apiv1.ListConfigsResponse{Problems: problemsOf(problems)}

	for _, config := range configs {
		response.Configs = append(response.Configs, configOf(config, false))
	}

	slices.SortFunc(response.Configs, func(a, b *apiv1.Config) int { return cmp.Compare(a.GetName(), b.GetName()) })

	return response, nil
}

// ShowConfig implements extactor.v1.
func (e *extactorService) ShowConfig(_ context.Context, request *apiv1.ShowConfigRequest) (*apiv1.Config, error) {
	config, err := e.server.config(request.GetName())
	if err != nil {
		return nil, err
	}

	return configOf(config, request.GetReveal()), nil
}

// DeleteConfig implements extactor.v1.
func (e *extactorService) DeleteConfig(ctx context.Context, request *apiv1.DeleteConfigRequest) (*apiv1.DeleteConfigResponse, error) {
	config, err := e.server.config(request.GetName())
	if err != nil {
		return nil, err
	}

	changes, err := e.server.options.Configs.Delete(ctx, config.Name)
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &apiv1.DeleteConfigResponse{Name: config.Name, Changes: changesOf(changes)}, nil
}

// config finds a document by the name that stands in it, then by the id of its service.
func (s *Server) config(name string) (*spec.Config, error) {
	configs, _ := s.options.Configs.Load()

	for _, candidate := range []string{name, strings.TrimPrefix(name, prefix)} {
		for _, config := range configs {
			if config.Name == candidate {
				return config, nil
			}
		}
	}

	return nil, unknownConfig(name, configs)
}

func unknownConfig(name string, configs []*spec.Config) error {
	if len(configs) == 0 {
		return status.Errorf(codes.NotFound, "no %s has the name %q; there is none at all", spec.ConfigKind, name)
	}

	known := make([]string, len(configs))
	for i, config := range configs {
		known[i] = config.Name
	}

	slices.Sort(known)

	more := ""
	if left := len(known) - mostKnown; left > 0 {
		known, more = known[:mostKnown], fmt.Sprintf(" and %d more", left)
	}

	return status.Errorf(codes.NotFound, "no %s has the name %q; known names: %s%s", spec.ConfigKind, name, strings.Join(known, ", "), more)
}

// configOf leaves out what may be secret unless it is to be revealed: what is hidden never leaves the daemon.
func configOf(config *spec.Config, reveal bool) *apiv1.Config {
	message := &apiv1.Config{Name: config.Name, Source: config.Source, Revealed: reveal}

	for _, file := range config.Files {
		each := &apiv1.ConfigFile{MountPath: file.MountPath, Size: int64(len(file.Content))}
		if reveal {
			each.Content = file.Content
		}

		message.Files = append(message.Files, each)
	}

	for _, variable := range config.Environment {
		name, value, _ := strings.Cut(variable, "=")

		each := &apiv1.ConfigVariable{Name: name}
		if reveal {
			each.Value = value
		}

		message.Environment = append(message.Environment, each)
	}

	return message
}
