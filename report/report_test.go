package report_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/report"
)

// document is what of an embedded document these tests look at.
type document struct {
	Format  string
	Version int
	Before  int
	Heading struct{ Missing []string }
	Texts   []string
	Rows    struct{ Seq, Message []int }
}

func unpack(t interface{ Fatal(...any) }, page []byte) (found document) {
	_, after, _ := strings.Cut(string(page), `id="journal">`)
	packed, _, _ := strings.Cut(after, "<")

	zipped, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		t.Fatal(err)
	}

	reader, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}

	if err := json.NewDecoder(reader).Decode(&found); err != nil {
		t.Fatal(err)
	}

	return found
}

func page(t interface{ Fatal(...any) }, first uint64, heading report.Heading, records ...events.Record) []byte {
	made := report.New(first)
	for _, record := range records {
		made.Add(record)
	}

	content, err := made.Page(heading, nil)
	if err != nil {
		t.Fatal(err)
	}

	return content
}

// Whatever is recorded is in the page as it was, and the page has no more elements than one of nothing: nothing ends the
// element that holds it. The same records make the same page.
func TestAnyTextStaysData(t *testing.T) {
	marks := []string{"<script", "</script", "<!--", "]]>", "<style", "<img", "\u2028", "\u2029"}
	texts := rapid.OneOf(rapid.String(), rapid.StringMatching(`.*(</script>|<!--|<script>|\]\]>|"'`+"`"+`).*`), rapid.SampledFrom(marks))

	rapid.Check(t, func(t *rapid.T) {
		id, messages := texts.Draw(t, "service"), rapid.SliceOfN(texts, 1, 20).Draw(t, "messages")
		heading := report.Heading{Node: texts.Draw(t, "node"), Source: texts.Draw(t, "source"), Missing: []string{texts.Draw(t, "missing")}}

		var records []events.Record

		for i, message := range messages {
			records = append(records, events.Record{
				Seq: uint64(i + 1), BootID: "boot", RunID: "run", Service: id, Kind: message, State: message, Message: message,
				Event: events.New(&events.TaskExited{Exit: &events.Exit{Known: true, Code: 1, LastLines: message, Explanation: message}}),
			})
		}

		made, plain := page(t, 1, heading, records...), page(t, 1, report.Heading{})
		if !bytes.Equal(made, page(t, 1, heading, records...)) {
			t.Fatal("the same records make another page")
		}

		for _, mark := range marks {
			if got, want := bytes.Count(made, []byte(mark)), bytes.Count(plain, []byte(mark)); got != want {
				t.Fatalf("the page has %q %d times, not %d times", mark, got, want)
			}
		}

		held := unpack(t, made)
		for i, message := range messages {
			if got := held.Texts[held.Rows.Message[i]]; got != strings.ToValidUTF8(message, "\uFFFD") {
				t.Fatalf("record %d says %q, not %q", i+1, got, message)
			}
		}
	})
}

// A page that begins in the middle has the lines that services still show, and says what was lost.
func TestBeginsInTheMiddle(t *testing.T) {
	tell := func(seq uint64, id, message string, fact events.Fact) events.Record {
		return events.Record{Seq: seq, BootID: "boot", RunID: "run", Service: id, State: events.StateWaiting, Message: message, Event: events.New(fact)}
	}

	held := unpack(t, page(t, 4, report.Heading{Missing: []string{"something"}},
		tell(1, "ext-a", "one", &events.PreparationStarted{}),
		tell(2, "ext-a", "", &events.PreparationStarted{}),
		tell(3, "ext-b", "three", &events.PreparationStarted{}),
		tell(5, "", "Records 5 to 9 of the journal were lost", &events.Gap{From: 5, To: 9}),
		tell(10, "ext-a", "ten", &events.PreparationStarted{}),
	))

	if diff := cmp.Diff([]int{1, 2, 2, 5}, held.Rows.Seq); diff != "" || held.Before != 2 {
		t.Errorf("%d rows from before; sequences as differences (-want +got): %s", held.Before, diff)
	}

	if diff := cmp.Diff([]string{"something", "Records 5 to 9 of the journal were lost"}, held.Heading.Missing); diff != "" {
		t.Errorf("missing (-want +got): %s", diff)
	}

	if held.Format != "extactor-report" || held.Version != 1 {
		t.Errorf("it calls itself %q, version %d", held.Format, held.Version)
	}
}
