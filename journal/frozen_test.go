package journal_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// freeze is given once by hand, before the format changes: go test ./journal -run TestFrozen -freeze schema1
var freezeAs = flag.String("freeze", "", "write a journal of this version to testdata/frozen under a name")

const frozenDir = "testdata/frozen"

// frozenRecord is one record as the version that froze it read it.
type frozenRecord struct {
	Seq, Attempt, Cause, Decision                          uint64
	Instance, BootID, RunID, Service, Kind, State, Message string
	WallNS, BootNS                                         int64
	Origin, Event, Command                                 string // JSON
}

// frozenJournal is what a frozen journal says: every record, and what they fold to.
type frozenJournal struct {
	Records []frozenRecord
	Views   map[string]json.RawMessage
}

// TestFrozen opens a copy of each journal that an older version left behind, killed, with a write-ahead log. Nothing may be
// lost, set aside or read otherwise than it was by the version that wrote it.
func TestFrozen(t *testing.T) {
	if *freezeAs != "" {
		freezeJournal(t, filepath.Join(frozenDir, *freezeAs))
	}

	names, err := filepath.Glob(frozenDir + "/*")
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no frozen journals: %v", err)
	}

	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			var want frozenJournal

			golden := read(t, filepath.Join(name, "golden.json"))
			if err := json.Unmarshal(golden, &want); err != nil {
				t.Fatal(err)
			}

			dir := t.TempDir()
			for _, file := range journalFiles {
				put(t, dir, file, read(t, filepath.Join(name, file)))
			}

			for range 2 { // as it was left, and as the first start left it
				j := open(t, journal.Options{Dir: dir})
				expectFrozen(t, j, want)

				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
			}

			j := open(t, journal.Options{Dir: dir}) // and it goes on
			last := want.Records[len(want.Records)-1].Seq
			expectOutcome(t, j.Append(everyKind()[0]), events.Recorded, last+1)
		})
	}
}

var journalFiles = []string{"journal.db", "journal.db-wal", "journal.head"}

func read(t *testing.T, path string) []byte {
	t.Helper()

	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	return content
}

// lastingFields are what a view says in every version. Others are derived, and may be derived better one day.
var lastingFields = []string{"ID", "State", "Since", "Desired", "Attempt", "LastExit", "Recent", "Revision"}

func expectFrozen(t *testing.T, j *journal.Journal, want frozenJournal) {
	t.Helper()

	got := describe(t, j)

	if status := j.Status(); status.Degraded || len(status.Losses) > 0 {
		t.Fatalf("status is %+v", status)
	}

	if diff := cmp.Diff(want.Records, got.Records); diff != "" {
		t.Fatalf("records (-frozen +read):\n%s", diff)
	}

	for service, view := range want.Views {
		var before, now map[string]any
		if err := json.Unmarshal(view, &before); err != nil {
			t.Fatal(err)
		}

		if err := json.Unmarshal(got.Views[service], &now); err != nil {
			t.Fatal(err)
		}

		for _, fields := range []map[string]any{before, now} {
			maps.DeleteFunc(fields, func(key string, _ any) bool { return !slices.Contains(lastingFields, key) })
		}

		if diff := cmp.Diff(before, now); diff != "" {
			t.Fatalf("view of %s (-frozen +folded):\n%s", service, diff)
		}
	}
}

// describe reads everything.
func describe(t *testing.T, j *journal.Journal) frozenJournal {
	t.Helper()

	services, err := j.Services()
	if err != nil {
		t.Fatal(err)
	}

	said := frozenJournal{Views: map[string]json.RawMessage{}}

	for _, service := range append(services, "") {
		view := events.NewView(service)

		if err := j.Replay(service, func(record events.Record) bool {
			view = view.Apply(record)
			said.Records = append(said.Records, frozenRecord{
				Seq: record.Seq, Attempt: record.Attempt, Cause: record.Cause, Decision: record.Decision,
				Instance: record.Instance, BootID: record.BootID, RunID: record.RunID, Service: record.Service,
				Kind: record.Kind, State: record.State, Message: record.Message, WallNS: record.WallNS, BootNS: record.BootNS,
				Origin: asJSON(t, record.Origin), Event: asJSON(t, record.Event), Command: asJSON(t, record.Command),
			})

			return true
		}); err != nil {
			t.Fatal(err)
		}

		if said.Views[service], err = json.Marshal(view); err != nil {
			t.Fatal(err)
		}
	}

	slices.SortFunc(said.Records, func(a, b frozenRecord) int { return int(a.Seq) - int(b.Seq) })

	return said
}

// asJSON is the message without what the encoder varies on purpose.
func asJSON(t *testing.T, message proto.Message) string {
	t.Helper()

	text, err := protojson.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}

	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}

	return compact.String()
}

// freezeJournal writes a journal with every kind of command and event, and what it says, as a daemon leaves it that is
// killed.
func freezeJournal(t *testing.T, target string) {
	t.Helper()

	dir := filepath.Join(t.TempDir(), "state")
	j := open(t, journal.Options{Dir: dir})

	for _, decision := range everyKind()[:30] {
		j.Append(decision)
	}

	j = reopen(t, j, journal.Options{Dir: dir})
	for _, decision := range everyKind()[30:] {
		j.Append(decision)
	}

	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}

	if err := os.MkdirAll(target, 0o755); err != nil {
		t.Fatal(err)
	}

	for _, file := range journalFiles {
		put(t, target, file, read(t, filepath.Join(dir, file)))
	}

	golden, err := json.MarshalIndent(describe(t, j), "", " ")
	if err != nil {
		t.Fatal(err)
	}

	put(t, target, "golden.json", golden)
}

// everyKind makes a decision for every kind of event there is, with every kind of command, each field filled, and one of
// a kind that is still to come.
func everyKind() []events.Decision {
	kinds := (&events.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	orders := (&events.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()
	states := []string{
		events.StateInitialized, events.StateWaiting, events.StatePreparing, events.StateRunning, events.StateStopping,
		events.StateFinished, events.StateFailed, events.StateSkipped,
	}

	var decisions []events.Decision

	for i := range kinds.Len() + 1 {
		event, name := &events.Event{}, "later"

		if i < kinds.Len() {
			kind := kinds.Get(i)
			name = string(kind.Name())
			filled(event.ProtoReflect().Mutable(kind).Message(), name)
		} else {
			event.ProtoReflect().SetUnknown([]byte{0xfa, 0x3e, 0x03, 'n', 'e', 'w'}) // field 1007
		}

		at := &events.Instant{WallNs: 1_700_000_000_000_000_000 + int64(i)*1e9, BootNs: int64(i+1) * 1e9}
		origin := &events.Origin{Uid: 1000, Pid: int32(i), Via: "cli"}
		decision := events.Decision{
			Service: fmt.Sprintf("ext-%c", 'a'+i%3), At: at, Origin: origin, Cause: uint64(i),
			Entries: []events.Entry{{Event: event, State: states[i%len(states)], Attempt: uint64(i), Message: "Message of " + name + ": \"ä\" \x00 \n"}},
		}

		if strings.HasPrefix(name, "daemon") || strings.HasPrefix(name, "runtime") || name == "gap" {
			decision.Service = ""
		}

		if i < orders.Len() {
			decision.Command = &events.Command{}
			filled(decision.Command.ProtoReflect().Mutable(orders.Get(i)).Message(), name)
			decision.Command.At, decision.Command.Origin = at, origin
		}

		decisions = append(decisions, decision)
	}

	return decisions
}

// filled sets every field to something that is not its zero value.
func filled(message protoreflect.Message, name string) {
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)

		switch {
		case field.IsMap():
			key := protoreflect.ValueOfString("key of " + name).MapKey()
			message.Mutable(field).Map().Set(key, protoreflect.ValueOfString("value of "+name))
		case field.IsList() && field.Kind() == protoreflect.StringKind:
			message.Mutable(field).List().Append(protoreflect.ValueOfString("element of " + name))
		case field.IsList():
			filled(message.Mutable(field).List().AppendMutable().Message(), name)
		case field.Kind() == protoreflect.MessageKind:
			filled(message.Mutable(field).Message(), name)
		default:
			message.Set(field, filledScalar(field, name))
		}
	}
}

func filledScalar(field protoreflect.FieldDescriptor, name string) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprintf("%s of %s", field.Name(), name))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(field.Number()))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(field.Number()))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(field.Number()))
	default:
		return protoreflect.ValueOfUint64(uint64(field.Number()))
	}
}
