package api

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
)

// Why implements extactor.v1.
func (e *extactorService) Why(ctx context.Context, request *apiv1.WhyRequest) (*apiv1.WhyResponse, error) {
	past, err := e.server.past(ctx)
	if err != nil {
		return nil, err
	}

	seq, err := e.server.within(ctx, past, request.GetAt())
	if err != nil {
		return nil, err
	}

	read := func(wanted events.Selection, yield func(events.Record) bool) error {
		return past.Select(ctx, wanted, yield)
	}

	var unknown history.ErrUnknown

	switch explanation, err := history.Explain(read, seq, candidates(request.GetId())...); {
	case errors.As(err, &unknown):
		return nil, status.Error(codes.NotFound, err.Error())
	case err != nil:
		return nil, failure(codes.Internal, err)
	default:
		return &apiv1.WhyResponse{
			Id: explanation.Service, State: explanation.State, Seq: explanation.Seq,
			At: moment(e.server.moment(request.GetAt(), events.Past{At: explanation.At, BootID: explanation.BootID}), explanation.BootID), Cause: causeMessage(explanation.Cause),
		}, nil
	}
}

func causeMessage(cause *history.Cause) *apiv1.Cause {
	message := &apiv1.Cause{
		Seq: cause.Seq, Service: cause.Service, Text: valid(cause.Text), Then: valid(cause.Then),
		At: moment(cause.At, cause.BootID), Lasting: cause.Lasting,
	}
	for _, because := range cause.Because {
		message.Because = append(message.Because, causeMessage(because))
	}

	return message
}

// Explanation is that of an answer, as package history has it.
func Explanation(response *apiv1.WhyResponse) history.Explanation {
	return history.Explanation{
		Service: response.GetId(), State: response.GetState(), Seq: response.GetSeq(), At: momentOf(response.GetAt()),
		BootID: response.GetAt().GetBootId(), Cause: causeOf(response.GetCause()),
	}
}

func causeOf(message *apiv1.Cause) *history.Cause {
	cause := &history.Cause{
		Seq: message.GetSeq(), Service: message.GetService(), Text: message.GetText(), Then: message.GetThen(),
		At: momentOf(message.GetAt()), BootID: message.GetAt().GetBootId(), Lasting: message.GetLasting(),
	}
	for _, because := range message.GetBecause() {
		cause.Because = append(cause.Because, causeOf(because))
	}

	return cause
}

func momentOf(at *apiv1.Moment) events.Moment {
	return events.Moment{WallNS: at.GetWallNs(), BootNS: at.GetBootNs()}
}
