package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestExplainAt(t *testing.T) {
	dir, failures := crashing(t, 1)

	stdout, stderr, code := called(t, "explain", "crash", "--at", fmt.Sprint(failures[2]+2), "--journal", dir)
	want := `At 2026-01-02T03:00:22Z ext-crash waits for its next try since 03:00:22, because the task of ext-crash (PID 7) exited with code 1: last line "no such device" at 03:00:22; it was restarted 2 times since 03:00:14; the task of ext-crash (PID 7) was started at 03:00:13. That was because the daemon took over ext-crash at 03:00:11.
ext-crash waits for its next try since 2026-01-02T03:00:22Z
└── the task of ext-crash (PID 7) exited with code 1: last line "no such device" at 03:00:22
    └── it was restarted 2 times since 03:00:14
        └── the task of ext-crash (PID 7) was started at 03:00:13
            └── the daemon took over ext-crash at 03:00:11
`

	if code != exitDone || stdout != want || stderr != "" {
		t.Errorf("exit %d\n%s%s\nwant\n%s", code, stdout, stderr, want)
	}

	var document whyDocument

	stdout, stderr, code = called(t, "explain", "crash", "--at", "2026-01-02T03:00:13Z", "--journal", dir, "-o", "json")
	if err := json.Unmarshal([]byte(stdout), &document); err != nil || code != exitDone {
		t.Fatalf("exit %d, %v:\n%s%s", code, err, stdout, stderr)
	}

	if document.State != "Running" || document.Cause.Because[0].Because[0].Text != "the daemon took over ext-crash" {
		t.Errorf("%s", stdout)
	}

	// Without --at: what there is to say now, and then what led there.
	stdout, stderr, code = called(t, "explain", "crash", "--journal", dir)
	if code != exitDone || !strings.Contains(stdout, "\nroot cause: ") || !strings.Contains(stdout, "\nhow it came to be: At 2026-01-02T03:00:23Z ext-crash is preparing since 03:00:23") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}

	for _, args := range [][]string{{"--at", "yesterday"}, {"--at", "1h", "-o", "yaml"}} {
		if _, stderr, code := called(t, append([]string{"explain", "crash", "--journal", dir}, args...)...); code != exitUsage {
			t.Errorf("%v: exit %d, %s", args, code, stderr)
		}
	}

	if _, stderr, code := called(t, "explain", "nobody", "--at", "5", "--journal", dir); code != exitFailed || !strings.Contains(stderr, "nobody") {
		t.Errorf("an unknown service: exit %d, %s", code, stderr)
	}
}
