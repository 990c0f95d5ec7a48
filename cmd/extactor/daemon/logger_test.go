package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/rs/zerolog"
)

func TestErrorsAreLoggedAsWhatTheySay(t *testing.T) {
	var said bytes.Buffer

	log := zerolog.New(&said)
	newLogger(&log).Warn("cannot list", "error", errors.New("no such file"), "service", "ext-a")

	var line map[string]any
	if err := json.Unmarshal(said.Bytes(), &line); err != nil {
		t.Fatal(err)
	}

	if line["error"] != "no such file" || line["service"] != "ext-a" || line["message"] != "cannot list" {
		t.Errorf("said %s", said.String())
	}
}
