package main

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"testing"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

func TestNotifyTellsTheServiceManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")

	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()

	t.Setenv("NOTIFY_SOCKET", path)

	var stderr bytes.Buffer

	notify(&stderr, systemd.SdNotifyReady)

	buffer := make([]byte, 64)

	n, err := manager.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}

	if got := string(buffer[:n]); got != "READY=1" {
		t.Errorf("told %q", got)
	}

	if stderr.Len() > 0 {
		t.Errorf("stderr %q", stderr.String())
	}
}

func TestNotifyWithoutServiceManager(t *testing.T) {
	var stderr bytes.Buffer

	t.Setenv("NOTIFY_SOCKET", "")
	notify(&stderr, systemd.SdNotifyReady)

	if stderr.Len() > 0 {
		t.Errorf("there is nobody to tell, and it says %q", stderr.String())
	}

	t.Setenv("NOTIFY_SOCKET", "/nowhere/notify")
	notify(&stderr, systemd.SdNotifyReady)

	if !strings.HasPrefix(stderr.String(), `extactor: cannot tell the service manager "READY=1": `) {
		t.Errorf("stderr %q", stderr.String())
	}
}
