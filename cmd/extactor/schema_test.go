package main

import (
	"encoding/json"
	"testing"
)

func TestSchemaIsOneDocument(t *testing.T) {
	application, stdout, stderr := testApp()
	if code := application.run(t.Context(), []string{"schema"}); code != exitDone || stderr.Len() > 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}

	var schema struct {
		Properties map[string]any
	}

	if err := json.Unmarshal(stdout.Bytes(), &schema); err != nil {
		t.Fatal(err)
	}

	for _, field := range []string{"name", "container", "depends", "restart", "extactor"} {
		if schema.Properties[field] == nil {
			t.Errorf("the schema has no %q", field)
		}
	}
}
