package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"google.golang.org/grpc/status"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/journal"
)

// scope is which records a report is about.
type scope struct {
	first, last uint64 // sequences
	open        bool   // it goes on to this moment
}

// scope finds the records that the flags mean. A report begins with how everything was then, so the record before counts.
func (a *app) scope(ctx context.Context, reader *journal.Reader, live bool, flags *reportFlags) (scope, error) {
	summary, err := reader.Summary(ctx)
	if err != nil {
		return scope{}, err
	}

	seq, at, bootID := reader.End()
	if seq == 0 {
		return scope{}, errors.New("cannot make a report: the journal has no records")
	}

	now := clock{wallNS: at.WallNS, bootNS: at.BootNS, bootID: bootID}
	if live {
		now = a.clock()
	}

	found := scope{first: max(summary.Floor, 1), last: math.MaxInt64}
	locate := func(flag, text string) (uint64, error) {
		point, err := pointOf(flag, text)
		if err != nil {
			return 0, err
		}

		seq, err := api.Locate(ctx, reader, point, func() *apiv1.Moment {
			return &apiv1.Moment{WallNs: now.wallNS, BootNs: now.bootNS, BootId: now.bootID}
		})

		return seq, plainly(err)
	}

	if flags.boot != "" {
		boot, err := api.FindBoot(ctx, reader, flags.boot)
		if err != nil {
			return scope{}, plainly(err)
		}

		found.first, found.last = max(found.first, boot.First), boot.Last
	}

	if flags.since != "" {
		first, err := locate("--since", flags.since)
		if err != nil {
			return scope{}, err
		}

		found.first = max(found.first, first)
	}

	if flags.until != "" {
		last, err := locate("--until", flags.until)
		if err != nil {
			return scope{}, err
		}

		found.last = min(found.last, last)
	}

	found.open = live && found.last >= seq && flags.until == ""

	return found, nil
}

// plainly is an error of the API without its code, where no call was made.
func plainly(err error) error {
	if err == nil {
		return nil
	}

	return errors.New(status.Convert(err).Message())
}

// missing tells what is not in a journal that was, or may have been, recorded.
func missing(ctx context.Context, reader *journal.Reader, kept *apiv1.JournalStatusResponse) ([]string, error) {
	summary, err := reader.Summary(ctx)
	if err != nil {
		return nil, err
	}

	texts := append([]string{}, reader.Problems()...)

	if summary.Floor > 1 {
		texts = append(texts, fmt.Sprintf("records before %d were deleted because they were old; the page begins with how services were then", summary.Floor))
	}

	switch damaged := reader.Damaged(); {
	case len(damaged) == 1:
		texts = append(texts, fmt.Sprintf("record %d is damaged and left out", damaged[0]))
	case len(damaged) > 1:
		texts = append(texts, fmt.Sprintf("%d damaged records are left out, the first is %d", len(damaged), damaged[0]))
	}

	return append(texts, kept.GetLosses()...), nil
}
