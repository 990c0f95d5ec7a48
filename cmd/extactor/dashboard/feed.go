package dashboard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

const (
	// firstRetry and lastRetry are how long is waited before a daemon is tried again: each time twice as long.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
	// patience is how long a daemon may take for an answer that needs no waiting.
	patience = 5 * time.Second
	// pace is what lies between two messages of a kind at least: nobody reads faster.
	pace = 50 * time.Millisecond
)

// daemonFeed is the feed of a real daemon. Each session with it is one connection; when that ends, another is made.
type daemonFeed struct {
	where    string // the socket or the address
	dial     func() (*api.Client, error)
	patience time.Duration

	mu      sync.Mutex
	wanted  wants
	changed chan struct{} // closed when wanted changes
	session *session      // the present one
}

// session is one connection to the daemon.
type session struct {
	ctx    context.Context // ends with it
	end    context.CancelCauseFunc
	client *api.Client
	send   func(tea.Msg)

	patience time.Duration
}

func newDaemonFeed(where string, dial func() (*api.Client, error)) *daemonFeed {
	return &daemonFeed{where: where, dial: dial, patience: patience, changed: make(chan struct{})}
}

// want implements feed.
func (f *daemonFeed) want(wants wants) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.wanted = wants
	close(f.changed)
	f.changed = make(chan struct{})
}

// wants returns what is wanted, and a channel that is closed when that changes.
func (f *daemonFeed) wants() (wants, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.wanted, f.changed
}

func (f *daemonFeed) setSession(session *session) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.session = session
}

// run talks to the daemon until the context ends.
func (f *daemonFeed) run(ctx context.Context, send func(tea.Msg)) {
	for delay := firstRetry; ; delay = min(2*delay, lastRetry) {
		told, err := f.talk(ctx, send)
		if ctx.Err() != nil {
			return
		}

		if told {
			delay = firstRetry
		}

		send(awayMsg{f.reason(err)})

		if !pause(ctx, delay) {
			return
		}
	}
}

// pause waits; false: the context ended first.
func pause(ctx context.Context, duration time.Duration) bool {
	select {
	case <-time.After(duration):
		return true
	case <-ctx.Done():
		return false
	}
}

// errSilent ends a session with a daemon that hangs.
var errSilent = errors.New("the daemon does not answer")

// reason words for people why a session has ended.
func (f *daemonFeed) reason(err error) string {
	if errors.Is(err, errSilent) {
		return fmt.Sprintf("the daemon at %s does not answer", f.where)
	}

	if errors.Is(err, errRefused) {
		return err.Error()
	}

	return "no daemon answers at " + f.where
}

// errRefused is wrapped where a daemon is there, but will not talk to us.
var errRefused = errors.New("refused")

// talk is one session. It returns whether the daemon said anything, and what ended it.
func (f *daemonFeed) talk(ctx context.Context, send func(tea.Msg)) (told bool, err error) {
	client, err := f.dial()
	if err != nil {
		if !errors.Is(err, api.ErrNoDaemon) {
			err = errors.Join(errRefused, err)
		}

		return false, err
	}
	defer client.Close()

	var workers sync.WaitGroup
	defer workers.Wait()

	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)

	session := &session{ctx: ctx, end: end, client: client, send: send, patience: f.patience}

	stream, response, err := session.watch()
	if err != nil {
		return false, err
	}

	f.setSession(session)
	defer f.setSession(nil)

	send(pictureMsg{whole: true, response: response})
	workers.Go(func() { f.measure(session) })
	workers.Go(func() { f.follow(session) })

	for {
		// What changes meanwhile is merged by the daemon.
		if !pause(ctx, pace) {
			return true, context.Cause(ctx)
		}

		response, err := stream.Recv()
		if err != nil {
			return true, errors.Join(context.Cause(ctx), err)
		}

		send(pictureMsg{response: response})
	}
}

// watch begins to follow how services are, and returns how they are now.
func (s *session) watch() (apiv1.Extactor_WatchStatusClient, *apiv1.StatusResponse, error) {
	late := time.AfterFunc(s.patience, func() { s.end(errSilent) })
	defer late.Stop()

	stream, err := s.client.Extactor.WatchStatus(s.ctx, &apiv1.StatusRequest{})
	if err != nil {
		return nil, nil, errors.Join(context.Cause(s.ctx), err)
	}

	response, err := stream.Recv()
	if err != nil {
		return nil, nil, errors.Join(context.Cause(s.ctx), err)
	}

	return stream, response, nil
}

// give implements feed.
func (f *daemonFeed) give(order order) answerMsg {
	f.mu.Lock()
	session := f.session
	f.mu.Unlock()

	if session == nil {
		return answerMsg{fmt.Sprintf("cannot %s %s: no daemon answers", order.action, order.id), true}
	}

	call := session.client.Extactor.Start

	switch order.action {
	case "stop":
		call = session.client.Extactor.Stop
	case "restart":
		call = session.client.Extactor.Restart
	}

	response, err := call(session.ctx, &apiv1.ServiceRequest{Id: order.id, Wait: order.action != "start"})
	if err != nil {
		return answerMsg{session.client.Explain(err).Error(), true}
	}

	return answerMsg{response.GetMessage(), false}
}
