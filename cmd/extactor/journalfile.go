package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// asksPast makes a command one that asks the daemon, or a file of its journal where no daemon runs.
func (a *app) asksPast(command *cobra.Command) *cobra.Command {
	var file string

	a.asks(command)
	command.Flags().StringVar(&file, "journal", "",
		"read a copy of this journal (a file, or a state directory), not the daemon's; times count back from its newest record")
	_ = command.MarkFlagFilename("journal") // only for a flag that does not exist

	run := command.RunE
	command.RunE = func(command *cobra.Command, args []string) error {
		switch {
		case !command.Flags().Changed("journal"):
			return withoutDaemon(run(command, args))
		case file == "":
			return usageError{errNoFile}
		}

		if err := a.place(command); err != nil {
			return err
		}

		return a.withFile(command.Context(), file, func() error { return run(command, args) })
	}

	return command
}

var errNoFile = errors.New("--journal is empty; it is a file, or a state directory")

// withoutDaemon says of an error that no daemon answers how to do without.
func withoutDaemon(err error) error {
	if errors.Is(err, api.ErrNoDaemon) {
		return fmt.Errorf("%w; for a journal without a daemon: --journal %s", err, defaultStateDir)
	}

	return err
}

// withFile answers from a journal's file what is asked meanwhile, as its daemon would.
func (a *app) withFile(ctx context.Context, path string, ask func() error) (err error) {
	reader, err := openCopy(path)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, reader.Close()) }()

	for _, problem := range reader.Problems() {
		fmt.Fprintf(a.stderr, "extactor: journal %s: %s\n", path, problem)
	}

	seq, at, bootID := reader.End()
	if seq == 0 {
		return fmt.Errorf("journal %q has no records", path)
	}

	fold, err := reader.At(ctx, seq)
	if err != nil {
		return err
	}

	scratch, err := os.Open(reader.Scratch())
	if err != nil {
		return err
	}
	defer scratch.Close()

	// The path of a socket must be short, which that of a temporary directory need not be.
	socket := fmt.Sprintf("/proc/self/fd/%d/%s", scratch.Fd(), api.SocketName)

	listener, err := api.Listen(socket)
	if err != nil {
		return err
	}

	served := fileJournal{reader.Reader}
	server := api.New(api.Options{
		Services: still{fold.Past()}, Journal: served, Past: served, BootID: bootID,
		Now:     func() *events.Instant { return &events.Instant{WallNs: at.WallNS, BootNs: at.BootNS} },
		Version: api.Version{Tag: version},
	})

	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)

	go func() { ended <- server.Serve(ctx, listener) }()

	before := *a
	a.socket, a.remote = socket, remoteFlags{}
	a.clock = func() clock { return clock{wallNS: at.WallNS, bootNS: at.BootNS, bootID: bootID} }

	err = ask()

	a.socket, a.remote, a.clock = before.socket, before.remote, before.clock

	stop()

	a.warnOfDamaged(path, reader.Reader)

	return errors.Join(err, <-ended)
}

// fileJournal is a journal that nobody writes to.
type fileJournal struct{ *journal.Reader }

// Subscribe implements api.Journal.
func (j fileJournal) Subscribe(after uint64) api.Subscription {
	return &fileSubscription{reader: j.Reader, after: after}
}

// fileSubscription reads a file to its end.
type fileSubscription struct {
	reader *journal.Reader
	after  uint64
	page   []events.Record
}

const filePage = 1000

// Next implements api.Subscription.
func (s *fileSubscription) Next(ctx context.Context) (events.Record, error) {
	if len(s.page) == 0 {
		err := s.reader.Each(ctx, s.after, math.MaxInt64, func(record events.Record) bool {
			s.page = append(s.page, record)

			return len(s.page) < filePage
		})
		if err != nil {
			return events.Record{}, err
		}
	}

	if len(s.page) == 0 {
		return events.Record{}, errors.New("nothing follows: it is a file, not a running daemon's journal")
	}

	record := s.page[0]
	s.page, s.after = s.page[1:], record.Seq

	return record, nil
}

// Close implements api.Subscription.
func (s *fileSubscription) Close() {}

// still are services as they were at the end of a file.
type still struct{ past events.Past }

var never = sync.OnceValue(func() chan struct{} { return make(chan struct{}) })

// Views implements api.Services.
func (s still) Views() []events.View { return s.past.Views }

// View implements api.Services.
func (s still) View(id string) (events.View, bool) {
	for _, view := range s.past.Views {
		if view.ID == id {
			return view, true
		}
	}

	return events.View{}, false
}

// Rejected implements api.Services.
func (s still) Rejected() []*events.SpecRejected { return s.past.Rejected }

// Changed implements api.Services.
func (still) Changed() <-chan struct{} { return never() }

// Command implements api.Services.
func (still) Command(context.Context, string, events.Order, *events.Origin) (uint64, error) {
	return 0, errors.New("a file takes no orders")
}
