package watch

import (
	"os"
	"strconv"
	"testing"

	"github.com/rs/zerolog"
)

func itoa(number int) string { return strconv.Itoa(number) }

// pipes gives a child a standard input that stays open as long as the test.
func pipes(t *testing.T) []*os.File {
	t.Helper()

	reader, writer, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { _ = reader.Close(); _ = writer.Close() })

	return []*os.File{reader, nil, nil}
}

func debugLogger(output *log) zerolog.Logger { return zerolog.New(output).Level(zerolog.DebugLevel) }
