package spec

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestSignalName(t *testing.T) {
	for text, want := range map[string]string{
		"SIGTERM": "SIGTERM", "TERM": "SIGTERM", "sigterm": "SIGTERM", "15": "SIGTERM", "9": "SIGKILL", "31": "SIGSYS",
		"SIGRTMIN": "SIGRTMIN", "RTMIN+3": "SIGRTMIN+3", "37": "SIGRTMIN+3", "SIGRTMAX-1": "SIGRTMAX-1", "64": "SIGRTMAX",
		"SIGRTMIN+30": "SIGRTMAX", "0": "", "-1": "", "32": "", "33": "", "65": "", "SIG": "", "": "", "SIGSIGTERM": "",
		"RTMIN-1": "", "RTMAX+1": "", "RTMIN+x": "",
	} {
		if got, ok := signalName(text); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %t; want %q", text, got, ok, want)
		}
	}
}

func TestSignalNameIsItsOwnName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.IntRange(-10, 80).Draw(t, "number")
		name, ok := signalName(strconv.Itoa(number))
		if !ok {
			return
		}
		if again, ok := signalName(name); !ok || again != name {
			t.Fatalf("%d is %q, which is %q", number, name, again)
		}
	})
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{
		"entripoint": "entrypoint", "enviroment": "environment", "arg": "args", "Args": "args", "mount": "mounts",
		"image": "", "capabilities": "", "": "",
	} {
		if got := nearest(word, containerSection.names()); got != want {
			t.Errorf("nearest of %q is %q, want %q", word, got, want)
		}
	}
}
