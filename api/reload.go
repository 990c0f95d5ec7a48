package api

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/spec"
)

// Reload implements extactor.v1.
func (e *extactorService) Reload(ctx context.Context, _ *apiv1.ReloadRequest) (*apiv1.ReloadResponse, error) {
	changes, problems, err := e.server.options.Files.Reload(ctx)
	if err != nil {
		return nil, failure(codes.Internal, err)
	}

	return &apiv1.ReloadResponse{Changes: changesOf(changes), Problems: problemsOf(problems)}, nil
}

func changesOf(changes []Change) []*apiv1.ServiceChange {
	messages := make([]*apiv1.ServiceChange, 0, len(changes))
	for _, change := range changes {
		messages = append(messages, &apiv1.ServiceChange{Id: change.ID, Action: change.Action})
	}

	return messages
}

func problemsOf(problems spec.Problems) []*apiv1.Problem {
	messages := make([]*apiv1.Problem, 0, len(problems))
	for _, problem := range problems {
		messages = append(messages, &apiv1.Problem{
			File: valid(problem.File), Line: int32(problem.Line), Column: int32(problem.Column), Severity: string(problem.Severity),
			Message: valid(problem.Message), SourceLine: valid(problem.SourceLine),
		})
	}

	return messages
}

// valid makes any name of a file one that the wire takes.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// Problems are those of an answer, as package spec has them.
func Problems(messages []*apiv1.Problem) spec.Problems {
	problems := make(spec.Problems, 0, len(messages))
	for _, message := range messages {
		problems = append(problems, spec.Problem{
			File: message.GetFile(), Line: int(message.GetLine()), Column: int(message.GetColumn()),
			Severity: spec.Severity(message.GetSeverity()), Message: message.GetMessage(), SourceLine: message.GetSourceLine(),
		})
	}

	return problems
}
