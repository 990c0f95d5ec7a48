package logs

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is also the processes that the tests need: logd and services that print.
func TestMain(m *testing.M) {
	role := os.Getenv("LOGS_TEST_ROLE")
	if role == "" || len(os.Args) < 3 {
		os.Exit(m.Run())
	}
	if err := play(role, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func play(role string, arguments []string) error {
	switch role {
	case "logd": // run directory, segment size, segments
		size, _ := strconv.ParseInt(arguments[1], 10, 64)
		segments, _ := strconv.Atoi(arguments[2])
		ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
		defer stop()
		return Run(ctx, Options{
			Dir: In(arguments[0]), Version: "test", SegmentSize: size, Segments: segments, Ready: os.Stdout,
			Report: func(err error) { fmt.Fprintln(os.Stderr, err) },
		})
	case "endless": // fifo, bytes of a line; prints until its standard input ends, then says how many lines
		width, _ := strconv.Atoi(arguments[1])
		fifo, err := os.OpenFile(arguments[0], os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		var enough atomic.Bool
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			enough.Store(true)
		}()
		count := 0
		for ; !enough.Load(); count++ {
			if err := printNumbers(fifo, count, 1, width); err != nil {
				return err
			}
		}
		_, err = fmt.Println(count)
		return err
	case "service": // fifo, first, count, bytes of a line
		first, _ := strconv.Atoi(arguments[1])
		count, _ := strconv.Atoi(arguments[2])
		width, _ := strconv.Atoi(arguments[3])
		fifo, err := os.OpenFile(arguments[0], os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return printNumbers(fifo, first, count, width)
	}
	return fmt.Errorf("unknown role %q", role)
}

// printNumbers writes numbered lines of a width, each with a write of its own, as services do.
func printNumbers(to io.Writer, first, count, width int) error {
	for number := first; number < first+count; number++ {
		if _, err := fmt.Fprintf(to, "%0*d\n", width-1, number); err != nil {
			return err
		}
	}
	return nil
}

// checkNumbers fails where the text is not each number once, in order.
func checkNumbers(t testing.TB, text io.Reader, first, count int) {
	t.Helper()
	lines := bufio.NewScanner(text)
	expected := first
	for lines.Scan() {
		number, err := strconv.Atoi(lines.Text())
		if err != nil || number != expected {
			t.Fatalf("line %d is %q, want number %d", expected-first, lines.Text(), expected)
		}
		expected++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if expected != first+count {
		t.Fatalf("there are %d lines, want %d", expected-first, count)
	}
}

// child is a process of a test. It is killed when the test ends.
type child struct {
	*exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
	err    error // valid once ended is closed
}

func startChild(t testing.TB, role string, stdin, stdout *os.File, arguments ...any) *child {
	t.Helper()
	var words []string
	for _, argument := range arguments {
		words = append(words, fmt.Sprint(argument))
	}
	c := &child{Cmd: exec.Command(self(t), words...), ended: make(chan struct{})}
	c.Env = append(os.Environ(), "LOGS_TEST_ROLE="+role, "GOMAXPROCS=1", "GORACE=atexit_sleep_ms=0")
	if stdin != nil {
		c.Stdin = stdin
	}
	if stdout != nil {
		c.Stdout = stdout
	}
	c.Stderr = &c.stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.err = c.Wait()
		close(c.ended)
	}()
	t.Cleanup(c.kill)
	return c
}

func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (c *child) kill() {
	_ = c.Process.Kill()
	<-c.ended
}

// finish waits for a child that must succeed.
func (c *child) finish(t testing.TB) {
	t.Helper()
	select {
	case <-c.ended:
	case <-deadline(t).Done():
		t.Fatalf("the child does not end: %s", c.stderr.String())
	}
	if c.err != nil {
		t.Fatalf("the child failed: %v: %s", c.err, c.stderr.String())
	}
}

// startLogd starts logd as a process and returns when it is ready.
func startLogd(t testing.TB, dir Dir, segmentSize int64, segments int) *child {
	t.Helper()
	ready, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	c := startChild(t, "logd", nil, stdout, run(dir), segmentSize, segments)
	stdout.Close()
	if _, err := io.ReadFull(ready, make([]byte, len(readyLine))); err != nil {
		<-c.ended
		t.Fatalf("logd did not start: %v: %s", c.err, c.stderr.String())
	}
	return c
}

// run is the inverse of In.
func run(dir Dir) string { return filepath.Dir(filepath.Dir(dir.FIFOs)) }

// deadline ends a wait that would otherwise hang the test.
func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// drained waits until everything that was printed is in the files.
func drained(t testing.TB, dir Dir, id string) {
	t.Helper()
	if err := Drained(deadline(t), dir, id); err != nil {
		t.Fatal(err)
	}
}

// hold keeps a FIFO open for the length of the test, as the daemon does.
func hold(t testing.TB, dir Dir, id string) {
	t.Helper()
	held, err := Hold(dir, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
}

// openService returns the FIFO as a service has it.
func openService(t testing.TB, dir Dir, id string) *os.File {
	t.Helper()
	fd, err := unix.Open(dir.FIFO(id), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), dir.FIFO(id))
	t.Cleanup(func() { file.Close() })
	return file
}

func pipe(t testing.TB) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		read.Close()
		write.Close()
	})
	return read, write
}
