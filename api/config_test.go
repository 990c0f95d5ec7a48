package api

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/spec"
)

// fakeHost is what the daemon does besides supervising, as the test has it.
type fakeHost struct {
	configs  []*spec.Config
	problems spec.Problems
	changes  []Change
	err      error
	tasks    []Task
	asked    []string // sources with contents, names
	exec     func(context.Context, ExecRequest) (int, error)
}

func (f *fakeHost) Apply(_ context.Context, source string, content []byte) ([]AppliedConfig, []Change, spec.Problems, error) {
	f.asked = append(f.asked, source, string(content))
	if f.err != nil || len(f.problems.Errors()) > 0 {
		return nil, nil, f.problems, f.err
	}

	return []AppliedConfig{{"nut-client", "created", "/c/nut-client.yaml"}}, f.changes, f.problems, nil
}

func (f *fakeHost) Delete(_ context.Context, name string) ([]Change, error) {
	f.asked = append(f.asked, name)

	return f.changes, f.err
}

func (f *fakeHost) Load() ([]*spec.Config, spec.Problems) { return f.configs, f.problems }

func (f *fakeHost) Reload(context.Context) ([]Change, spec.Problems, error) {
	return f.changes, f.problems, f.err
}

func (f *fakeHost) Exec(ctx context.Context, request ExecRequest) (int, error) {
	return f.exec(ctx, request)
}

func nutClient() *spec.Config {
	return &spec.Config{
		Name: "nut-client", Source: "/c/nut-client.yaml", Environment: []string{"NUT_UPS=sec=ret", "EMPTY="},
		Files: []spec.ConfigFile{{Content: "MONITOR password", MountPath: "/etc/upsmon.conf"}},
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()

	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func must[T any](t *testing.T) func(value T, err error) T {
	t.Helper()

	return func(value T, err error) T {
		t.Helper()

		if err != nil {
			t.Fatal(err)
		}

		return value
	}
}

var oneProblem = spec.Problem{File: "in\xffput", Line: 3, Column: 7, Severity: spec.Error, Message: "bad", SourceLine: "a: \xff"}

func TestApplyConfig(t *testing.T) {
	h := start(t, newServices(), newJournal())
	h.host.changes = []Change{{"ext-nut-client", "changed"}}

	response := must[*apiv1.ApplyConfigResponse](t)(h.Extactor.ApplyConfig(t.Context(), &apiv1.ApplyConfigRequest{Source: "file", Content: []byte("text")}))
	equal(t, "answer", response, &apiv1.ApplyConfigResponse{
		Applied: []*apiv1.AppliedConfig{{Name: "nut-client", Action: "created", Source: "/c/nut-client.yaml"}},
		Changes: []*apiv1.ServiceChange{{Id: "ext-nut-client", Action: "changed"}},
	})
	equal(t, "asked", h.host.asked, []string{"file", "text"})

	h.host.problems = spec.Problems{oneProblem}
	response = must[*apiv1.ApplyConfigResponse](t)(h.Extactor.ApplyConfig(t.Context(), &apiv1.ApplyConfigRequest{Content: []byte("text")}))

	if len(response.GetApplied()) != 0 {
		t.Errorf("applied %v", response.GetApplied())
	}

	equal(t, "problems", Problems(response.GetProblems()), spec.Problems{
		{File: "in\uFFFDput", Line: 3, Column: 7, Severity: spec.Error, Message: "bad", SourceLine: "a: \uFFFD"},
	})

	h.host.err = errors.New("the disk is full")
	if _, err := h.Extactor.ApplyConfig(t.Context(), &apiv1.ApplyConfigRequest{}); status.Code(err) != codes.Internal || status.Convert(err).Message() != "the disk is full" {
		t.Errorf("error %v", err)
	}
}

// What is hidden does not leave the daemon.
func TestShowConfig(t *testing.T) {
	h := start(t, newServices(), newJournal())
	h.host.configs = []*spec.Config{nutClient(), {Name: "alpha", Environment: []string{"A=1"}}}

	want := func(content, ups string, revealed bool) *apiv1.Config {
		return &apiv1.Config{
			Name: "nut-client", Source: "/c/nut-client.yaml", Revealed: revealed,
			Files:       []*apiv1.ConfigFile{{MountPath: "/etc/upsmon.conf", Size: 16, Content: content}},
			Environment: []*apiv1.ConfigVariable{{Name: "NUT_UPS", Value: ups}, {Name: "EMPTY"}},
		}
	}

	show := func(name string, reveal bool) *apiv1.Config {
		return must[*apiv1.Config](t)(h.Extactor.ShowConfig(t.Context(), &apiv1.ShowConfigRequest{Name: name, Reveal: reveal}))
	}

	equal(t, "hidden", show("nut-client", false), want("", "", false))
	equal(t, "revealed", show("ext-nut-client", true), want("MONITOR password", "sec=ret", true))

	list := must[*apiv1.ListConfigsResponse](t)(h.Extactor.ListConfigs(t.Context(), &apiv1.ListConfigsRequest{}))
	equal(t, "list", list, &apiv1.ListConfigsResponse{Configs: []*apiv1.Config{
		{Name: "alpha", Environment: []*apiv1.ConfigVariable{{Name: "A"}}}, want("", "", false),
	}})

	_, err := h.Extactor.ShowConfig(t.Context(), &apiv1.ShowConfigRequest{Name: "beta"})
	equal(t, "unknown", h.Explain(err).Error(), `no ExtensionServiceConfig has the name "beta"; known names: alpha, nut-client`)

	h.host.configs = nil
	_, err = h.Extactor.ShowConfig(t.Context(), &apiv1.ShowConfigRequest{Name: "beta"})
	equal(t, "none", h.Explain(err).Error(), `no ExtensionServiceConfig has the name "beta"; there is none at all`)
}

func TestDeleteConfig(t *testing.T) {
	h := start(t, newServices(), newJournal())
	h.host.configs = []*spec.Config{nutClient()}
	h.host.changes = []Change{{"ext-nut-client", "changed"}}

	response := must[*apiv1.DeleteConfigResponse](t)(h.Extactor.DeleteConfig(t.Context(), &apiv1.DeleteConfigRequest{Name: "ext-nut-client"}))
	equal(t, "answer", response, &apiv1.DeleteConfigResponse{
		Name: "nut-client", Changes: []*apiv1.ServiceChange{{Id: "ext-nut-client", Action: "changed"}},
	})
	equal(t, "asked", h.host.asked, []string{"nut-client"})

	if _, err := h.Extactor.DeleteConfig(t.Context(), &apiv1.DeleteConfigRequest{Name: "x"}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown: %v", err)
	}
}

func TestReload(t *testing.T) {
	h := start(t, newServices(), newJournal())
	h.host.changes = []Change{{"ext-a", "added"}, {"ext-b", "removed"}}
	h.host.problems = spec.Problems{{File: "/s/c.yaml", Severity: spec.Warning, Message: "odd"}}

	response := must[*apiv1.ReloadResponse](t)(h.Extactor.Reload(t.Context(), &apiv1.ReloadRequest{}))
	equal(t, "answer", response, &apiv1.ReloadResponse{
		Changes:  []*apiv1.ServiceChange{{Id: "ext-a", Action: "added"}, {Id: "ext-b", Action: "removed"}},
		Problems: []*apiv1.Problem{{File: "/s/c.yaml", Severity: "warning", Message: "odd"}},
	})
}
