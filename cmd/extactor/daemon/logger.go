package daemon

import (
	"log/slog"

	"github.com/rs/zerolog"
	slogzerolog "github.com/samber/slog-zerolog/v2"
)

// newLogger gives the actors the daemon's own log.
func newLogger(log *zerolog.Logger) *slog.Logger {
	return slog.New(slogzerolog.Option{Logger: log, Converter: plainErrors}.NewZerologHandler())
}

// plainErrors shows errors as what they say, rather than with their Go type and an empty stack.
func plainErrors(
	source bool, replace func([]string, slog.Attr) slog.Attr, attrs []slog.Attr, groups []string, record *slog.Record,
) map[string]any {
	plain := slog.NewRecord(record.Time, record.Level, record.Message, record.PC)

	record.Attrs(func(attr slog.Attr) bool {
		if err, ok := attr.Value.Any().(error); ok {
			attr.Value = slog.StringValue(err.Error())
		}

		plain.AddAttrs(attr)

		return true
	})

	return slogzerolog.DefaultConverter(source, replace, attrs, groups, &plain)
}
