package logs

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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
