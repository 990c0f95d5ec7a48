package actorstest

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/extactor/extactor/events"
)

// describe renders a message without addresses, so that it is the same in every run. It reads the fields that actors
// keep to themselves, which is why it does not use fmt.
func describe(message any) string {
	var text strings.Builder

	value := reflect.ValueOf(message)
	for value.Kind() == reflect.Pointer && !value.IsNil() {
		value = value.Elem()
	}

	text.WriteString(value.Type().Name())
	describeFields(&text, value)

	return text.String()
}

func describeFields(text *strings.Builder, value reflect.Value) {
	if value.Kind() != reflect.Struct || value.Type() == reflect.TypeFor[actor.PID]() {
		return
	}

	for i := range value.NumField() {
		name := value.Type().Field(i).Name
		switch name {
		case "state", "sizeCache", "unknownFields": // of a protobuf message
			continue
		}

		if field := describeValue(value.Field(i)); field != "" {
			fmt.Fprintf(text, " %s:%s", name, field)
		}
	}
}

func describeValue(value reflect.Value) string {
	switch value.Kind() {
	case reflect.String:
		return fmt.Sprintf("%q", value.String())
	case reflect.Bool:
		return fmt.Sprint(value.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprint(value.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprint(value.Uint())
	case reflect.Interface, reflect.Pointer:
		if value.IsNil() {
			return ""
		}

		return describeValue(value.Elem())
	case reflect.Struct:
		var text strings.Builder
		describeFields(&text, value)

		return value.Type().Name() + "{" + strings.TrimSpace(text.String()) + "}"
	case reflect.Map:
		return fmt.Sprintf("(%d)", value.Len())
	default: // functions, channels, bytes
		return ""
	}
}

// observation reads what a message to a service says about a condition, whatever else the message is.
func observation(message any) (key string, met, ok bool) {
	value := reflect.ValueOf(message)
	if value.Kind() != reflect.Struct {
		return "", false, false
	}

	order := value.FieldByName("order")
	if !order.IsValid() || order.IsNil() || order.Elem().Type() != reflect.TypeFor[*events.ObserveCondition]() {
		return "", false, false
	}

	fact := order.Elem().Elem()

	return fact.FieldByName("Key").String(), fact.FieldByName("Met").Bool(), true
}

// saysHealth tells whether a message is a report of a health check.
func saysHealth(message any) bool {
	value := reflect.ValueOf(message)
	if value.Type().Name() != "take" {
		return false
	}

	order := value.FieldByName("order")

	return !order.IsNil() && order.Elem().Type() == reflect.TypeFor[*events.ReportHealth]()
}

// mayComeLate tells whether nothing keeps a message from coming again when nobody expects it any more.
func mayComeLate(message any) bool {
	switch value := reflect.ValueOf(message); value.Type().Name() {
	case "timerFired", "waitAgain":
		return true
	case "take":
		order := value.FieldByName("order")

		if order.IsNil() {
			return false
		}

		switch order.Elem().Type() {
		case reflect.TypeFor[*events.ReportExited](), reflect.TypeFor[*events.ReportHealth]():
			return true
		default:
			return false
		}
	default:
		return false
	}
}

// originPID reads who gave the command in a message, 0 where nobody did.
func originPID(message any) int64 {
	value := reflect.ValueOf(message)
	if value.Kind() != reflect.Struct {
		return 0
	}

	origin := value.FieldByName("origin")
	if !origin.IsValid() || origin.IsNil() {
		return 0
	}

	return origin.Elem().FieldByName("Pid").Int()
}
