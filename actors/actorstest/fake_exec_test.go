package actorstest_test

import (
	"testing"
	"testing/synctest"

	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

func TestFakeRuntimeAnswersCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := connected()
		start := request("ext-a", 1)
		start.Config = &spec.Config{Environment: []string{"A=1"}}

		if _, err := fake.Start(t.Context(), start); err != nil {
			t.Fatal(err)
		}

		if fake.Config("ext-a") != start.Config || fake.Config("ext-b") != nil {
			t.Errorf("configurations: %v, %v", fake.Config("ext-a"), fake.Config("ext-b"))
		}

		hanging := make(chan struct{})

		fake.AnswerExec("ext-a", func(service.ExecRequest) int {
			close(hanging)

			return -1 // it hangs
		})

		task := service.Task{ID: "ext-a", Attempt: 1}
		check := service.ExecRequest{Args: []string{"check"}}
		ended := make(chan int, 1)

		go func() {
			code, err := fake.Exec(t.Context(), task, check)
			if err != nil {
				t.Error(err)
			}

			ended <- code
		}()

		<-hanging
		fake.AnswerExec("ext-a", func(service.ExecRequest) int { return 4 })

		if code, err := fake.Exec(t.Context(), task, check); code != 4 || err != nil {
			t.Errorf("answered %d, %v", code, err)
		}

		fake.Exit("ext-a", 0)

		if code := <-ended; code != 137 {
			t.Errorf("the command that hung ended with %d when its task did", code)
		}
	})
}
