package api

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/extactor/extactor/events"
)

// prefix begins the id of every service that was made from a file.
const prefix = "ext-"

// mostKnown is how many ids an error lists.
const mostKnown = 10

// view finds a service by its exact id, then by the id with "ext-" before it.
func (s *Server) view(id string) (events.View, error) {
	for _, candidate := range candidates(id) {
		if view, ok := s.options.Services.View(candidate); ok {
			return view, nil
		}
	}

	return events.View{}, s.unknown(id)
}

func candidates(id string) []string { return []string{id, prefix + id} }

// longestShown is how many bytes of what a client asked for an error repeats.
const longestShown = 100

func excerpt(text string) string {
	if len(text) > longestShown {
		return strings.ToValidUTF8(text[:longestShown], "") + "..."
	}

	return text
}

func (s *Server) unknown(id string) error {
	id = excerpt(id)

	if file := skipped(id, s.options.Services.Rejected()); file != nil {
		return status.Errorf(codes.NotFound, "service %q is not known, because its file was skipped: %s %s; see: extactor validate %s",
			id, file.GetFile(), file.Trouble(), file.GetFile())
	}

	views := s.options.Services.Views()
	if len(views) == 0 {
		return status.Errorf(codes.NotFound, "service %q is not known; no service is", id)
	}

	known := make([]string, 0, mostKnown)
	for _, view := range views[:min(len(views), mostKnown)] {
		known = append(known, view.ID)
	}

	more := ""
	if left := len(views) - len(known); left > 0 {
		more = fmt.Sprintf(" and %d more", left)
	}

	return status.Errorf(codes.NotFound, "service %q is not known; known services: %s%s", id, strings.Join(known, ", "), more)
}

// skipped finds the file of a service that is not known because its file has problems: a service is most often named as
// its file is.
func skipped(id string, rejected []*events.SpecRejected) *events.SpecRejected {
	for _, file := range rejected {
		name := filepath.Base(file.GetFile())
		if strings.TrimSuffix(name, filepath.Ext(name)) == strings.TrimPrefix(id, prefix) {
			return file
		}
	}

	return nil
}

// failure makes an error of one of the ports into a gRPC status.
func failure(code codes.Code, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	default:
		return status.Error(code, err.Error())
	}
}
