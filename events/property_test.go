package events_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/events"
)

// anyMessage fills a message with whatever its fields can hold.
func anyMessage(t *rapid.T, message protoreflect.Message, depth int) {
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.ContainingOneof() != nil || !rapid.Bool().Draw(t, string(field.Name())) {
			continue
		}

		switch {
		case field.IsMap():
		case field.IsList() && field.Kind() == protoreflect.StringKind:
			list := message.Mutable(field).List()
			for _, text := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "time"}), 0, 3).Draw(t, "texts") {
				list.Append(protoreflect.ValueOfString(text))
			}
		case field.IsList():
			if depth < 3 {
				anyMessage(t, message.Mutable(field).List().AppendMutable().Message(), depth+1)
			}
		case field.Kind() == protoreflect.MessageKind:
			if depth < 3 {
				anyMessage(t, message.Mutable(field).Message(), depth+1)
			}
		default:
			message.Set(field, anyScalar(t, field))
		}
	}
}

func anyScalar(t *rapid.T, field protoreflect.FieldDescriptor) protoreflect.Value {
	number := rapid.IntRange(0, 5).Draw(t, "number")

	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.SampledFrom([]string{"time", "a", "\xff\n%s"}).Draw(t, "text"))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(number%2 == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(number))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(number - 1))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(number - 1))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(number))
	default:
		return protoreflect.ValueOfUint64(uint64(number))
	}
}

// anyEvent is an event of any kind, known or not.
func anyEvent(t *rapid.T) *events.Event {
	event := new(events.Event)
	kinds := event.ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields()

	index := rapid.IntRange(0, kinds.Len()).Draw(t, "kind")
	if index < kinds.Len() {
		anyMessage(t, event.ProtoReflect().Mutable(kinds.Get(index)).Message(), 0)

		return event
	}

	if err := proto.Unmarshal([]byte{0xfa, 0x3e, 0x00}, event); err != nil { // field 1007, empty
		t.Fatal(err)
	}

	return event
}

// TestFoldAndTextAreTotal feeds the view with whatever a journal could hold.
func TestFoldAndTextAreTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		view := events.NewView("ext-a")
		count := rapid.IntRange(1, 100).Draw(t, "records")

		for seq := range count {
			event := anyEvent(t)
			record := events.Record{
				Seq: uint64(seq + 1), Event: event, Kind: event.KindName(), Message: events.Text("ext-a", event),
				State: rapid.SampledFrom(append(events.States(), "", "Dreaming")).Draw(t, "state"),
			}

			view = view.Apply(record)
			if view.Revision != record.Seq || len(view.Recent) > events.RecentLines || record.State != "" && view.State != record.State {
				t.Fatalf("after %v: %+v", event, view)
			}

			view.Waiting()
		}
	})
}
