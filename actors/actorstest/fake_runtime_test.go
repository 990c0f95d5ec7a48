package actorstest_test

import (
	"context"
	"errors"
	"hash/fnv"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

type fakeHarness struct{ *actorstest.FakeRuntime }

func (h fakeHarness) Runtime() actors.Runtime { return h.FakeRuntime }
func (h fakeHarness) Reopen() actors.Runtime  { return h.FakeRuntime }

func (h fakeHarness) Service(name string, words ...string) *spec.Service {
	return &spec.Service{Name: name, Container: spec.Container{Entrypoint: "/program", Args: words}}
}

func (h fakeHarness) Broken(name string) (*spec.Service, string) {
	h.FailStart("ext-"+name, errors.New("it is broken"))

	return h.Service(name), "it is broken"
}

// delay gives every kind of call another duration, so that no two end in the same instant.
func delay(call actorstest.Call) time.Duration {
	hash := fnv.New32()
	hash.Write([]byte(call.Method + call.ID))

	return time.Millisecond + time.Duration(hash.Sum32()%1000)
}

func connected() *actorstest.FakeRuntime {
	fake := actorstest.NewFakeRuntime(delay, nil)
	fake.Connect()

	return fake
}

func request(id string, attempt uint64, words ...string) service.StartRequest {
	return service.StartRequest{ID: id, Attempt: attempt, Spec: &spec.Service{
		Name: id, Container: spec.Container{Args: words},
	}}
}

func TestFakeRuntimeConforms(t *testing.T) {
	actorstest.RuntimeSuite(t, func(*testing.T) actorstest.Harness { return fakeHarness{connected()} })
}

func TestFakeRuntimeRefusesASecondTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := connected()
		if _, err := fake.Start(t.Context(), request("ext-a", 1)); err != nil {
			t.Fatal(err)
		}

		if _, err := fake.Start(t.Context(), request("ext-a", 2)); err == nil || len(fake.Violations()) != 1 {
			t.Fatalf("error %v, violations %q", err, fake.Violations())
		}
	})
}

func TestFakeRuntimeDisconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := connected()
		if _, err := fake.Start(t.Context(), request("ext-a", 1)); err != nil {
			t.Fatal(err)
		}

		waited := make(chan error, 1)

		go func() {
			_, err := fake.Wait(t.Context(), service.Task{ID: "ext-a", Attempt: 1})
			waited <- err
		}()

		synctest.Wait()
		fake.Disconnect()

		if err := <-waited; err == nil {
			t.Error("Wait reported an exit when the link was lost")
		}

		if _, err := fake.Observe(t.Context()); err == nil {
			t.Error("Observe knew something while the link was down")
		}

		fake.Exit("ext-a", 4) // unseen
		fake.Connect()

		seen, err := fake.Observe(t.Context())
		if err != nil || seen["ext-a"].GetStatus() != events.TaskStatus_TASK_STATUS_EXITED || seen["ext-a"].Exit.Code != 4 {
			t.Errorf("seen %v, %v", seen, err)
		}
	})
}

func TestFakeRuntimeLinkFollowsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := actorstest.NewFakeRuntime(delay, nil)

		var told []string

		ctx, cancel := context.WithCancel(t.Context())
		go fake.Link(ctx, func(string, string) { told = append(told, "up") }, func(error) { told = append(told, "down") })

		for range 2 {
			fake.Connect()
			synctest.Wait()
			fake.Disconnect()
			synctest.Wait()
		}

		cancel()
		synctest.Wait()

		if want := []string{"up", "down", "up", "down"}; !reflect.DeepEqual(told, want) {
			t.Errorf("told %q", told)
		}
	})
}

func TestFakeRuntimeCrashLoopIsDeterministic(t *testing.T) {
	once := func() (calls []actorstest.Call, exits []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			fake := connected()
			fake.EndAfter("ext-a", time.Second, 2)

			for attempt := range uint64(5) {
				task := service.Task{ID: "ext-a", Attempt: attempt}
				if _, err := fake.Start(t.Context(), request("ext-a", attempt)); err != nil {
					t.Fatal(err)
				}

				exit, err := fake.Wait(t.Context(), task)
				if err != nil || exit.Code != 2 {
					t.Fatal(exit, err)
				}

				exits = append(exits, time.Since(begin))

				if err := fake.Delete(t.Context(), task); err != nil {
					t.Fatal(err)
				}
			}

			calls = fake.Calls()
		})

		return calls, exits
	}

	calls, exits := once()
	if len(calls) != 15 || exits[0] < time.Second {
		t.Fatalf("calls %v, exits at %v", calls, exits)
	}

	for range 20 {
		again, exitsAgain := once()
		if !reflect.DeepEqual(calls, again) || !reflect.DeepEqual(exits, exitsAgain) {
			t.Fatalf("%v at %v, then %v at %v", calls, exits, again, exitsAgain)
		}
	}
}

func TestFakeRuntimeKillInterruptsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := actorstest.NewFakeRuntime(func(call actorstest.Call) time.Duration {
			return map[string]time.Duration{"Start": time.Hour}[call.Method]
		}, nil)
		fake.Connect()

		failed := make(chan error, 1)

		go func() {
			_, err := fake.Start(t.Context(), request("ext-a", 1))
			failed <- err
		}()

		synctest.Wait()

		begin := time.Now()
		if err := fake.Kill(t.Context(), service.Task{ID: "ext-a", Attempt: 1}); err != nil {
			t.Fatal(err)
		}

		if err := <-failed; err == nil || time.Since(begin) > time.Second {
			t.Errorf("start ended with %v after %v", err, time.Since(begin))
		}
	})
}
