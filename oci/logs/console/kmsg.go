package console

import (
	"fmt"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// recordSize is the largest record that every kernel takes in one write to /dev/kmsg; a larger one is refused as a
// whole.
const recordSize = 976

// informational is the priority of what services print: KERN_INFO. The kernel itself notes that it came from outside.
const informational = "<6>"

// records makes a line of a service records of the kernel log.
func records(service, text string) []string {
	return cut(fmt.Sprintf("%sextactor: [%s] ", informational, service), text)
}

// cut makes a text records of the kernel log, each with the head, and never cuts within a character.
func cut(head, text string) []string {
	size := recordSize - len(head) - len("\n")
	var records []string
	for len(text) > size && size >= utf8.UTFMax {
		end := size
		for !utf8.RuneStart(text[end]) {
			end--
		}
		records = append(records, head+text[:end]+"\n")
		text = text[end:]
	}
	return append(records, head+text+"\n")
}

// writeRecord opens the kernel log for each record: by default the kernel lets ten lines pass in five seconds through
// one open file, and silently drops the others. How much may pass is for the console to say, which tells what it drops.
func writeRecord(path, record string) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer file.Close()
	_, _ = file.WriteString(record)
}

// sanitise makes a line fit for a terminal and for the kernel log: valid UTF-8 in which control characters are written
// as \xNN. A tab is a space; a carriage return at the end, and blanks, go.
func sanitise(line []byte) string {
	var text strings.Builder
	for _, char := range strings.TrimRightFunc(string(line), unicode.IsSpace) {
		switch {
		case char == '\t':
			text.WriteByte(' ')
		case unicode.IsControl(char):
			fmt.Fprintf(&text, `\x%02x`, char)
		default:
			text.WriteRune(char) // what is not UTF-8 arrives here as the replacement character
		}
	}
	return text.String()
}
