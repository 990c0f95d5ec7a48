package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// replayFlags are what of the past is asked for, as it is written.
type replayFlags struct {
	output   string
	at       string
	diff     string
	follow   bool
	from, to string
	speed    string
}

func (a *app) replayCommand() *cobra.Command {
	flags := &replayFlags{}
	command := &cobra.Command{
		Use:   "replay [ID...]",
		Short: "Show how services were at a moment of the past, or watch the past again",
		Long: "Show from the journal how services were at a moment of the past, exactly as status showed it then, with the " +
			"ages of that moment; play what happened as status --watch would have shown it (--follow); or show what changed " +
			"between two moments (--diff).\n\nA moment is " + momentHelp + ".",
		Example: "  extactor replay --at -10m\n" +
			"  extactor replay --at 2026-01-02T03:04:05Z hello-world\n" +
			"  extactor replay --follow --from boot --speed 20x\n" +
			"  extactor replay --diff 1h 10m",
		ValidArgsFunction: a.completeIDs(-1),
		RunE: func(command *cobra.Command, ids []string) error {
			return a.replay(command.Context(), flags, ids)
		},
	}
	command.Flags().StringVar(&flags.at, "at", "", "the moment; the end of the journal if it is not said")
	command.Flags().StringVar(&flags.diff, "diff", "", "show what changed from this moment until that of --at, or of the first argument")
	command.Flags().BoolVarP(&flags.follow, "follow", "f", false, "play what happened, as status --watch would have shown it")
	command.Flags().StringVar(&flags.from, "from", "", "where --follow begins; the beginning of the newest boot if it is not said")
	command.Flags().StringVar(&flags.to, "to", "", "where --follow ends; the end of the journal if it is not said")
	command.Flags().StringVar(&flags.speed, "speed", "1x", "how fast --follow plays: 20x, or max for no pauses")
	command.Flags().StringVarP(&flags.output, "output", "o", outputTable, "table, json or yaml")
	completeOutput(command, outputTable, outputJSON, outputYAML)

	return a.checks(a.asksPast(command))
}

// replay shows what the flags ask for.
func (a *app) replay(ctx context.Context, flags *replayFlags, ids []string) error {
	if flags.output != outputTable && flags.output != outputJSON && flags.output != outputYAML {
		return usageError{fmt.Errorf("-o %q is not known; it is table, json or yaml", flags.output)}
	}

	switch {
	case flags.follow && (flags.at != "" || flags.diff != ""):
		return usageError{errors.New("--follow plays from --from to --to; --at and --diff are for single moments")}
	case !flags.follow && flags.speed != "1x":
		return usageError{errors.New("--speed is how fast --follow plays")}
	case !flags.follow && (flags.from != "" || flags.to != ""):
		return usageError{errors.New("--from and --to are where --follow begins and ends; a single moment is --at")}
	case flags.follow:
		return a.followPast(ctx, flags, ids)
	}

	if flags.diff != "" && flags.at == "" && len(ids) > 0 && isMoment(ids[0]) { // --diff A B
		flags.at, ids = ids[0], ids[1:]
	}

	now, err := a.statusAt(ctx, ids, "--at", flags.at)
	if err != nil {
		return err
	}

	if flags.diff != "" {
		before, err := a.statusAt(ctx, nil, "--diff", flags.diff)
		if err != nil {
			return err
		}

		return a.showDiff(before, now, ids, flags.output)
	}

	then := a.at(now)
	then.warnOfPast(now)

	return then.showStatus(now.GetStatus(), len(ids) == 1, flags.output)
}

// isMoment tells whether an argument is a moment. A service whose name is one is meant by its id, ext-10m.
func isMoment(text string) bool {
	_, err := pointOf("", text)

	return err == nil
}

// statusAt asks how services were at a moment that a flag names.
func (a *app) statusAt(ctx context.Context, ids []string, flag, text string) (response *apiv1.StatusAtResponse, err error) {
	point, err := optionalPoint(flag, text)
	if err != nil {
		return nil, err
	}

	err = a.ask(func(client *api.Client) error {
		response, err = client.Extactor.StatusAt(ctx, &apiv1.StatusAtRequest{Ids: ids, At: point})

		return err
	})

	return response, err
}

func optionalPoint(flag, text string) (*apiv1.Point, error) {
	if text == "" {
		return nil, nil
	}

	return pointOf(flag, text)
}

// at is the app with the clock of a moment of the past.
func (a *app) at(response *apiv1.StatusAtResponse) *app {
	then, now := *a, response.GetStatus().GetNow()
	then.clock = func() clock {
		return clock{wallNS: now.GetWallNs(), bootNS: now.GetBootNs(), bootID: now.GetBootId()}
	}

	return &then
}

// warnOfPast says on stderr which moment it is, and why what is shown may not be all there was.
func (a *app) warnOfPast(response *apiv1.StatusAtResponse) {
	now := response.GetStatus().GetNow()
	fmt.Fprintf(a.stderr, "extactor: after event %d at %s\n", response.GetStatus().GetRevision(), timestamp(now))

	if response.GetStopped() {
		fmt.Fprintln(a.stderr, "extactor: the daemon had ended: nothing was supervised until the next one")
	}

	a.warnOfEarlier(response.GetBefore())
}

func (a *app) warnOfEarlier(before uint64) {
	if before > 0 {
		fmt.Fprintf(a.stderr, "extactor: something may be missing: events before %d were deleted\n", before)
	}
}

// warnOfDeleted says on stderr where what is shown from an event on may not be all there was.
func (a *app) warnOfDeleted(ctx context.Context, client *api.Client, seq uint64) {
	then, err := client.Extactor.StatusAt(ctx, &apiv1.StatusAtRequest{At: &apiv1.Point{Kind: &apiv1.Point_Seq{Seq: seq}}})
	if err == nil && seq < then.GetBefore() {
		a.warnOfEarlier(then.GetBefore())
	}
}

// followPast plays the past.
func (a *app) followPast(ctx context.Context, flags *replayFlags, ids []string) error {
	if flags.from == "" {
		flags.from = sinceBoot
	}

	speed, err := parseSpeed(flags.speed)
	if err != nil {
		return err
	}

	from, err := pointOf("--from", flags.from)
	if err != nil {
		return err
	}

	until, err := optionalPoint("--to", flags.to)
	if err != nil {
		return err
	}

	return a.ask(func(client *api.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()

		stream, err := client.Extactor.Replay(ctx, &apiv1.ReplayRequest{Ids: ids, From: from, Until: until})
		if err != nil {
			return err
		}

		pace := newPace(speed, time.Now)
		then := *a
		then.clock = pace.clock
		next := pace.next(ctx, a.warned(stream.Recv))

		switch {
		case flags.output == outputJSON:
			return receive(next, func(changed *apiv1.StatusResponse) error { return writeJSON(a.stdout, a.documentOf(changed), "") })
		case flags.output == outputYAML:
			return receive(next, func(changed *apiv1.StatusResponse) error { return writeYAML(a.stdout, a.documentOf(changed)) })
		case isTerminal(a.stdout):
			return then.watchPast(ctx, next, len(ids) == 1)
		default:
			return receive(next, then.printRows([]int{roomForID, widestState}))
		}
	})
}

// warned says on stderr, before the first answer, why it may not be all there was.
func (a *app) warned(receive func() (*apiv1.StatusAtResponse, error)) func() (*apiv1.StatusAtResponse, error) {
	first := true

	return func() (*apiv1.StatusAtResponse, error) {
		response, err := receive()
		if first {
			a.warnOfEarlier(response.GetBefore())
		}

		first = false

		return response, err
	}
}

// watchPast is a screen that stays as it was in the end.
func (a *app) watchPast(ctx context.Context, next func() (*apiv1.StatusResponse, error), single bool) error {
	shown := &watched{services: map[string]*apiv1.Service{}, single: single}

	err := a.watchScreen(ctx, func() (*apiv1.StatusResponse, error) {
		changed, err := next()
		if err == nil {
			shown.update(changed)
		}

		return changed, err
	}, single)
	if err == nil {
		for _, line := range a.frame(shown, 0, 0) {
			fmt.Fprintln(a.stdout, line)
		}
	}

	return err
}
