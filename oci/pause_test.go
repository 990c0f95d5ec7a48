package oci

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	shortMethod = "/containerd.services.tasks.v1.Tasks/Start"
	waitMethod  = "/containerd.services.tasks.v1.Tasks/Wait"
)

// answering answers calls as a test wants.
type answering struct {
	called  chan string // methods
	answers chan error
}

func newAnswering() *answering {
	return &answering{called: make(chan string, 10), answers: make(chan error)}
}

func (s *answering) invoke(ctx context.Context, method string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
	s.called <- method

	select {
	case err := <-s.answers:
		return err
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// call makes a call, and returns what it returns once it does.
func (s *answering) call(ctx context.Context, p *pause, method string) <-chan error {
	done := make(chan error, 1)

	go func() { done <- p.intercept(ctx, method, nil, nil, nil, s.invoke) }()
	synctest.Wait()

	return done
}

func TestPauseWaitsForCallsAndHoldsUpNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := new(pause), newAnswering()
		first := s.call(t.Context(), p, shortMethod)

		limit, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		if _, err := p.begin(limit); err == nil || err.Error() != "1 calls are under way" {
			t.Fatalf("began under a call: %v", err)
		}

		resumes := make(chan func(bool), 1)

		go func() {
			resume, err := p.begin(t.Context())
			if err != nil {
				t.Error(err)
			}

			resumes <- resume
		}()
		synctest.Wait()

		// While a pause is only wanted, calls go on.
		second := s.call(t.Context(), p, shortMethod)
		s.answers <- nil
		s.answers <- nil
		resume := <-resumes

		if <-first != nil || <-second != nil || len(s.called) != 2 {
			t.Fatalf("%d calls", len(s.called))
		}

		given, giveUp := context.WithCancel(t.Context())
		third, fourth := s.call(t.Context(), p, shortMethod), s.call(given, p, waitMethod)

		if len(s.called) != 2 {
			t.Fatal("a call was made during a pause")
		}

		giveUp()

		if err := <-fourth; status.Code(err) != codes.Canceled {
			t.Fatalf("the one that was given up: %v", err)
		}

		// The pause depends on the question for the version.
		question := s.call(t.Context(), p, versionMethod)
		s.answers <- nil

		if err := <-question; err != nil {
			t.Fatal(err)
		}

		resume(true)
		s.answers <- nil

		if err := <-third; err != nil {
			t.Fatal(err)
		}
	})
}

func TestWaitOutlivesAPause(t *testing.T) {
	lost := status.Error(codes.Unavailable, "lost")

	for _, c := range []struct {
		name      string
		pause     bool
		connected bool
		again     bool
	}{
		{"a server that is replaced", true, true, true},
		{"a replacement that fails", true, false, false},
		{"a server that dies", false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, s := new(pause), newAnswering()
				wait := s.call(t.Context(), p, waitMethod)

				resume := func(bool) {}

				if c.pause {
					begun, err := p.begin(t.Context()) // a call that waits does not hold it up
					if err != nil {
						t.Fatal(err)
					}

					resume = begun
				}

				s.answers <- lost
				synctest.Wait()
				resume(c.connected)
				synctest.Wait()

				if !c.again {
					if err := <-wait; status.Code(err) != codes.Unavailable {
						t.Fatalf("it returns %v", err)
					}

					return
				}

				if len(s.called) != 2 {
					t.Fatalf("%d calls", len(s.called))
				}

				s.answers <- nil

				if err := <-wait; err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
