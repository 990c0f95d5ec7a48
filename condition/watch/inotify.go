package watch

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// read hands the kernel's events over until the file is closed.
func (t *tree) read(file *os.File, done chan<- struct{}) {
	defer close(done)

	buffer := make([]byte, 64<<10)

	for {
		count, err := file.Read(buffer)
		if err != nil {
			return // closed; the buffer is larger than any event, so no other error exists
		}

		t.parse(buffer[:count])
	}
}

// parse cuts the buffer into events: see inotify(7).
func (t *tree) parse(buffer []byte) {
	for len(buffer) >= unix.SizeofInotifyEvent {
		descriptor := int32(binary.NativeEndian.Uint32(buffer))
		mask := binary.NativeEndian.Uint32(buffer[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buffer[12:]))

		if end > len(buffer) {
			return
		}

		t.handle(descriptor, mask, unix.ByteSliceToString(buffer[unix.SizeofInotifyEvent:end]))

		buffer = buffer[end:]
	}
}
