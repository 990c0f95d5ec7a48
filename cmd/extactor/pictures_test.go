package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/events"
)

// remember gives a house a journal of two boots.
func (h *house) remember() {
	told := func(seq uint64, boot string, seconds int64, id, state string, fact events.Fact) events.Record {
		event := events.New(fact)

		return events.Record{
			Seq: seq, BootID: boot, Service: id, State: state, Event: event, Message: events.Text(id, event), BootNS: seconds * second, WallNS: 1_767_000_000*second + seconds*second,
		}
	}

	h.records = []events.Record{
		told(1, otherBoot, 5, "", "", &events.DaemonStarted{Version: "v1"}),
		told(2, otherBoot, 6, "ext-before", events.StatePreparing, &events.PreparationStarted{}),
		told(3, otherBoot, 7, "ext-before", events.StateRunning, &events.TaskStarted{Pid: 5}),
		told(4, testBoot, 900, "", "", &events.DaemonStarted{Version: "v1"}),
		told(5, testBoot, 901, "ext-now", events.StateWaiting, &events.SpecLoaded{Lifecycle: &events.Lifecycle{Depends: []string{"path:/dev/<zfs>"}}}),
		told(6, testBoot, 901, "ext-now", events.StateWaiting, &events.ConditionChanged{Key: "path:/dev/<zfs>"}),
		told(7, testBoot, 905, "ext-now", events.StateWaiting, &events.ConditionChanged{Key: "path:/dev/<zfs>", Met: true}),
		told(8, testBoot, 905, "ext-now", events.StatePreparing, &events.PreparationStarted{}),
		told(9, testBoot, 907, "ext-now", events.StateRunning, &events.TaskStarted{Pid: 5}),
	}
	h.past = &past{records: h.records}
}

// past is the past of a few records, as far as pictures ask for it.
type past struct {
	api.History
	records []events.Record
}

func (p *past) Boots(context.Context) (boots []events.Boot, err error) {
	for _, record := range p.records {
		if len(boots) == 0 || boots[len(boots)-1].ID != record.BootID {
			boots = append(boots, events.Boot{ID: record.BootID, First: record.Seq})
		}

		boots[len(boots)-1].Last = record.Seq
	}

	return boots, nil
}

func (p *past) Each(_ context.Context, after, until uint64, yield func(events.Record) bool) error {
	for _, record := range p.records {
		if record.Seq > after && record.Seq <= until && !yield(record) {
			break
		}
	}

	return nil
}

// texts are those of an SVG document.
func texts(t *testing.T, document []byte) string {
	t.Helper()

	var all strings.Builder

	decoder := xml.NewDecoder(bytes.NewReader(document))

	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all.String()
		}

		if err != nil {
			t.Fatalf("no XML: %v in %s", err, document)
		}

		if text, ok := token.(xml.CharData); ok {
			all.Write(text)
			all.WriteByte('\n')
		}
	}
}

func TestPlotShowsTheBootThatWasAskedFor(t *testing.T) {
	house := furnished()
	house.remember()
	socket := house.open(t)
	file := filepath.Join(t.TempDir(), "boot.svg")

	for _, row := range []struct {
		words, want, not string
		file             bool
	}{
		{"plot", "Critical path to ext-now: up after 7 s", "ext-before", false},
		{"plot --boot 0 --dependencies --service now", "file /dev/<zfs>", "ext-before", false},
		{"plot --boot -1", "Critical path to ext-before: up after 2 s", "ext-now", false},
		{"plot --boot " + otherBoot, "Critical path to ext-before: up after 2 s", "ext-now", false},
		{"plot -o " + file, "Critical path to ext-now", "ext-before", true},
		{"plot --for 3s", "2.5 s", "3.5 s", false},
		{"graph", "network addresses", "Finished", false},
	} {
		application, stdout, stderr := testApp()
		if code := application.run(t.Context(), append(strings.Fields(row.words), "--socket", socket)); code != exitDone {
			t.Fatalf("%s: exit %d: %s", row.words, code, stderr)
		}

		document := stdout.Bytes()

		if row.file {
			if len(document) > 0 {
				t.Errorf("%s wrote to stdout", row.words)
			}

			var err error
			if document, err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}

		if got := texts(t, document); !strings.Contains(got, row.want) || strings.Contains(got, row.not) {
			t.Errorf("%s: want %q and not %q in\n%s", row.words, row.want, row.not, got)
		}
	}
}

func TestPlotOfABootThatIsNotThere(t *testing.T) {
	house := furnished()
	house.remember()
	socket := house.open(t)

	for name, want := range map[string]string{
		"1": "boot \"1\" is not known", "-2": "boot -2 is not known; the journal has 2 (0 to -1)", "tuesday": "boot \"tuesday\" is not known",
	} {
		application, _, stderr := testApp()
		if code := application.run(t.Context(), []string{"plot", "--boot", name, "--socket", socket}); code == exitDone || !strings.Contains(stderr.String(), want) {
			t.Errorf("boot %s: exit %d: %s", name, code, stderr)
		}
	}
}

// The example that the README shows is valid, and its pictures are ones.
func TestExampleOfThePictures(t *testing.T) {
	const example = "../../examples/storage-node"

	application, stdout, stderr := testApp()
	if code := application.run(t.Context(), []string{"validate", "--strict", example}); code != exitDone {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}

	for name, want := range map[string]string{"boot.svg": "Critical path to ext-agent", "graph.svg": "configuration backup"} {
		content, err := os.ReadFile(filepath.Join(example, name))
		if err != nil {
			t.Fatal(err)
		}

		if got := texts(t, content); !strings.Contains(got, want) {
			t.Errorf("%s does not have %q", name, want)
		}
	}

	content, err := os.ReadFile(filepath.Join(example, "report.png"))
	if err != nil {
		t.Fatal(err)
	}

	if _, err := png.DecodeConfig(bytes.NewReader(content)); err != nil || len(content) > 200_000 {
		t.Errorf("report.png has %d bytes: %v", len(content), err)
	}
}
