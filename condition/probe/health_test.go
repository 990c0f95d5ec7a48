package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/spec"
)

// onHost runs commands as the runtime does in a container: what the context ends is killed.
func onHost(ctx context.Context, command []string, output io.Writer) (int, error) {
	child := exec.CommandContext(ctx, command[0], command[1:]...)
	child.Stdout, child.Stderr = output, output

	err := child.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return ended.ExitCode(), nil
	}

	return 0, err
}

// check makes one check and returns "message" or "error: ...".
func check(t *testing.T, health spec.Health) string {
	t.Helper()

	message, err := Check(t.Context(), health, onHost)
	if err != nil {
		if message != "" {
			t.Errorf("both a message %q and an error %v", message, err)
		}

		message = "error: " + err.Error()
	}

	if len(message) > outputLimit+100 || strings.ContainsAny(message, "\n\r\x1b") {
		t.Errorf("message of %d bytes, or with control characters: %.100q", len(message), message)
	}

	return message
}

func shell(script string) spec.Health {
	return spec.Health{Exec: []string{"/bin/sh", "-c", script}, Timeout: patience}
}

func TestCheckExec(t *testing.T) {
	leaksNothing(t)

	for script, want := range map[string]string{
		"echo one; echo two; echo":       "two",
		"true":                           "",
		"printf 'a\\033[31mred'":         "a [31mred",
		"printf 'no\\377utf'":            "no�utf",
		"echo why >&2; exit 3":           "error: exit code 3: why",
		"exit 4":                         "error: exit code 4",
		"exec 2>/dev/null; no-such-tool": "error: exit code 127",
		"yes | head -c 10000000; echo":   "y",
	} {
		if got := check(t, shell(script)); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}

	// A flood without a line's end.
	if got := check(t, shell("head -c 10000000 /dev/zero | tr '\\0' x")); got != strings.Repeat("x", outputLimit) {
		t.Errorf("%d bytes of a flood: %.20q", len(got), got)
	}

	if got := check(t, spec.Health{Exec: []string{"/no/such/file"}}); !strings.HasPrefix(got, `error: cannot run "/no/such/file": `) {
		t.Errorf("no such file: %q", got)
	}

	if _, err := Check(t.Context(), shell("true"), nil); err == nil {
		t.Error("healthy without a way to run commands")
	}
}

func TestCheckThatHangs(t *testing.T) {
	leaksNothing(t)

	const timeout = 20 * time.Millisecond

	want := "error: no answer within 20ms"

	if got := check(t, spec.Health{Exec: []string{"/bin/sleep", "1000"}, Timeout: timeout}); got != want {
		t.Errorf("exec: %q", got)
	}

	if got := check(t, spec.Health{Exec: []string{"/usr/bin/yes"}, Timeout: timeout}); got != want {
		t.Errorf("exec that floods: %q", got)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody answers
	must(t, err)

	defer listener.Close()

	if got := check(t, spec.Health{HTTP: "http://" + listener.Addr().String(), Timeout: timeout}); got != want {
		t.Errorf("http: %q", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	if _, err = Check(ctx, spec.Health{HTTP: "http://" + listener.Addr().String()}, nil); err == nil || err.Error() == want {
		t.Errorf("broken off by the caller: %v", err)
	}
}

func TestCheckHTTP(t *testing.T) {
	leaksNothing(t)

	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was led elsewhere") }))
	defer elsewhere.Close()

	endless := func(w http.ResponseWriter, status int) {
		w.WriteHeader(status)

		for {
			if _, err := w.Write(bytes.Repeat([]byte("z"), 1<<10)); err != nil {
				return // the checker has closed the connection
			}
		}
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			fmt.Fprintln(w, "fine")
		case "/endless":
			endless(w, http.StatusOK)
		case "/endless-failure":
			endless(w, http.StatusInternalServerError)
		case "/stuck-failure":
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "half")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "first\nthe database is away\n")
		case "/here":
			http.Redirect(w, r, "/down", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/panic":
			panic(http.ErrAbortHandler)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()

	for path, want := range map[string]string{
		"/ok":              "200 OK",
		"/endless":         "200 OK",
		"/endless-failure": "error: 500 Internal Server Error: " + strings.Repeat("z", outputLimit),
		"/down":            "error: 503 Service Unavailable: the database is away",
		"/nothing":         "error: 404 Not Found: 404 page not found",
		"/here":            "error: 503 Service Unavailable: the database is away",
		"/round":           "302 Found",
		"/away":            "302 Found",
		"/panic":           "error: EOF",
	} {
		if got := check(t, spec.Health{HTTP: server.URL + path, Timeout: patience}); got != want {
			t.Errorf("%s: %.100q, want %.100q", path, got, want)
		}
	}

	stuck := spec.Health{HTTP: server.URL + "/stuck-failure", Timeout: time.Second}
	if got := check(t, stuck); got != "error: 502 Bad Gateway: half" {
		t.Errorf("a body that never ends: %q", got)
	}

	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()

	if got := check(t, spec.Health{HTTP: secure.URL, Timeout: patience}); !strings.HasPrefix(got, "error: 404 Not Found") {
		t.Errorf("https with a certificate of its own: %q", got)
	}
}

func TestCheckOfWhatIsWrong(t *testing.T) {
	for url, want := range map[string]string{
		"ftp://user:secret@host/x":  `error: the URL "ftp://user:xxxxx@host/x" must begin with http:// or https://`,
		"http://":                   `error: the URL "http:" must begin with`,
		"localhost:80":              `error: the URL "localhost:80" must begin with`,
		"http://127.0.0.1:1/secret": "error: connection refused",
		"http://%zz":                "error: invalid URL escape",
	} {
		if got := check(t, spec.Health{HTTP: url}); !strings.HasPrefix(got, want) || strings.Contains(got, "secret") {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}

	if got := check(t, spec.Health{}); !strings.HasPrefix(got, "error: the health check has none of") {
		t.Errorf("nothing: %q", got)
	}
}

func TestCheckTCPAndSocket(t *testing.T) {
	leaksNothing(t)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)

	address, socket := listener.Addr().String(), filepath.Join(t.TempDir(), "s")
	tcpCheck, socketCheck := spec.Health{TCP: address}, spec.Health{Socket: socket}

	if got := check(t, tcpCheck); got != address+" accepts" {
		t.Errorf("tcp: %q", got)
	}

	must(t, listener.Close())

	if got := check(t, tcpCheck); got != "error: connection refused" {
		t.Errorf("tcp, refused: %q", got)
	}

	if got := check(t, socketCheck); !strings.Contains(got, "no such file") {
		t.Errorf("socket, not there: %q", got)
	}

	stop, err := listenUnix("unixpacket")(socket)
	must(t, err)

	defer stop()

	if got := check(t, socketCheck); got != `"`+socket+`" accepts` {
		t.Errorf("socket: %q", got)
	}
}

// A command that is killed says something of the health only where its container does not end with it.
func TestKilledCommand(t *testing.T) {
	health := spec.Health{Exec: []string{"check"}, Timeout: time.Minute, FailureThreshold: 1}
	killed := func(context.Context, []string, io.Writer) (int, error) { return 137, nil }

	synctest.Test(t, func(t *testing.T) {
		if _, err := Check(t.Context(), health, killed); err == nil || err.Error() != "exit code 137" {
			t.Errorf("a command alone: %v", err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel) // somebody learns of the end of the container

		Monitor(ctx, health, func(ctx context.Context) (string, error) { return Check(ctx, health, killed) },
			func(healthy bool, message string) { t.Errorf("reported: %v, %q", healthy, message) })
	})
}
