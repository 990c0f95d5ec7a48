package main

import (
	"encoding/json"
	"strings"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
)

// eventText is what a record says to people. One of a kind that has no text is told in other words, or by what is recorded.
func eventText(record *apiv1.EventRecord) string {
	if record.GetMessage() != "" {
		return record.GetMessage()
	}

	converted, err := recordOf(record)
	if err != nil {
		return record.GetKind()
	}

	if words := history.Words(converted); words != "" {
		return record.GetKind() + ": " + words
	}

	return strings.TrimSpace(record.GetKind() + " " + string(factOf(converted)))
}

// factOf is what is recorded of an event, as JSON in one line; nothing where that was not sent.
func factOf(record events.Record) json.RawMessage {
	if record.Event.GetKind() == nil {
		return nil
	}

	content := record.Event.ProtoReflect()
	fact := content.WhichOneof(content.Descriptor().Oneofs().ByName("kind"))

	return json.RawMessage(fields(content.Get(fact).Message().Interface()))
}
