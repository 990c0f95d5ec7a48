package main

import (
	"strings"
	"testing"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// Rows that come one by one stand under each other from the first on, also those of a service with a long name.
func TestFollowedEventsAreAligned(t *testing.T) {
	application, stdout, _ := testApp()
	application.socket = furnished().open(t)

	request := &apiv1.EventsRequest{Follow: true}
	show, _ := application.printRecords(true, application.widestID(t.Context(), request))

	for _, service := range []string{"", "ext-new", "ext-hello-world"} {
		if err := show(&apiv1.EventRecord{Service: service, State: "Running", Message: "happened"}); err != nil {
			t.Fatal(err)
		}
	}

	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("lines %q", lines)
	}

	for _, line := range lines[1:] {
		if strings.Index(line, "happened") != strings.Index(lines[0], "EVENT") {
			t.Errorf("line %q does not stand under %q", line, lines[0])
		}
	}

	request.Service = "new"
	if got := application.widestID(t.Context(), request); got != len("ext-new") {
		t.Errorf("one service takes %d columns", got)
	}

	request.Follow = false
	if got := application.widestID(t.Context(), request); got != 0 {
		t.Errorf("rows that come at once were asked for: %d columns", got)
	}
}
