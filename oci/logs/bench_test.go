package logs

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// How fast output gets from a service into a file: by logd, by cat, and by a Go loop, in the same run. Lines of 100
// bytes are one write each; blocks are 64 KiB.
func BenchmarkLogd(b *testing.B) {
	benchmarkWriter(b, func(b *testing.B) (string, func()) {
		dir := newLog(b)
		startLogd(b, dir, 10<<20, 3)
		return dir.FIFO(testID), func() { drained(b, dir, testID) }
	})
}

func BenchmarkCat(b *testing.B) {
	benchmarkWriter(b, func(b *testing.B) (string, func()) {
		dir := newLog(b)
		output, err := os.Create(filepath.Join(dir.Files, "output"))
		if err != nil {
			b.Fatal(err)
		}
		defer output.Close()
		cat := exec.Command("cat", dir.FIFO(testID))
		cat.Stdout = output
		if err := cat.Start(); err != nil {
			b.Fatal(err)
		}
		return dir.FIFO(testID), func() {
			if err := cat.Wait(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCopyLoop(b *testing.B) {
	benchmarkWriter(b, func(b *testing.B) (string, func()) {
		dir := newLog(b)
		copied := make(chan error, 1)
		go func() {
			input, err := os.Open(dir.FIFO(testID))
			if err != nil {
				copied <- err
				return
			}
			defer input.Close()
			output, err := os.Create(filepath.Join(dir.Files, "output"))
			if err != nil {
				copied <- err
				return
			}
			defer output.Close()
			// Hidden behind an interface, or the library would splice as well.
			_, err = io.Copy(struct{ io.Writer }{output}, struct{ io.Reader }{input})
			copied <- err
		}()
		return dir.FIFO(testID), func() {
			if err := <-copied; err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmarkWriter(b *testing.B, start func(b *testing.B) (fifo string, finish func())) {
	for name, size := range map[string]int{"lines": 100, "blocks": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			path, finish := start(b)
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				b.Fatal(err)
			}
			text := make([]byte, size)
			b.SetBytes(int64(size))
			b.ResetTimer()
			for range b.N {
				if _, err := file.Write(text); err != nil {
					b.Fatal(err)
				}
			}
			if err := file.Close(); err != nil {
				b.Fatal(err)
			}
			finish()
		})
	}
}

// How long it takes to find a time in a log of the largest size, with as large an index as there can be: at its end, which
// reads all of the index. Beside it, reading the log itself, plain, with the time before each line, and together with another.
func BenchmarkQuery(b *testing.B) {
	dir := newLog(b)
	const size, lineSize, segments = 10 << 20, indexRecord, 3 // as many bytes of times as of lines
	line := append(bytes.Repeat([]byte("x"), lineSize-1), '\n')
	at := noon
	for base := uint64(0); base < segments*size; base += size {
		writeSegments(b, dir, base, string(bytes.Repeat(line, size/lineSize)))
		var index []byte
		for cursor := base; cursor < base+size; cursor += lineSize {
			index = binary.LittleEndian.AppendUint64(index, cursor)
			index = binary.LittleEndian.AppendUint64(index, uint64(at.UnixNano()))
			at = at.Add(indexPrecision)
		}
		if err := os.WriteFile(segment{dir.segments(testID), base}.indexPath(), index, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	end := at.Add(-time.Second)
	const same = "ext-same"
	if err := os.CopyFS(dir.segments(same), os.DirFS(dir.segments(testID))); err != nil {
		b.Fatal(err)
	}
	for name, query := range map[string]Query{
		"since":        {Tail: -1, Since: end},
		"until":        {Tail: 1, Until: end},
		"stamped-tail": {Tail: 10, Timestamps: true},
		"all":          {Tail: -1},
		"all-of-two":   {Tail: -1},
		"stamped-all":  {Tail: -1, Timestamps: true},
	} {
		b.Run(name, func(b *testing.B) {
			ids := []string{testID}
			if name == "all-of-two" {
				ids = append(ids, same)
			}
			for b.Loop() {
				reader, err := Read(b.Context(), dir, ids, query)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, reader); err != nil {
					b.Fatal(err)
				}
				reader.Close()
			}
		})
	}
}
