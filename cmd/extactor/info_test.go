package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"testing"
)

// What the daemon takes of the host is different each time; all else is not.
func TestInfo(t *testing.T) {
	t.Setenv(socketVariable, furnished().open(t))

	table := infoAs(t)
	want := fmt.Sprintf(`^VERSION       v1\.2\.3
PID           %d
STARTED       2026-01-02T03:03:05\.000000000Z \(1m0s ago\)
INSTANCE      c6f0e0f4-0000-4000-8000-000000000000
SERVICES      /usr/local/etc/containers
ROOTFS        /usr/local/lib/containers
CONFIG        /etc/extactor/config
STATE         /var/lib/extactor
RUN           /run/extactor
LISTEN        192\.0\.2\.7:50000, \[2001:db8::7\]:50000
CONTAINERD    /run/extactor/containerd/containerd\.sock \(extactor's own\)
NAMESPACE     extactor
CGROUP        /extactor
OCI RUNTIME   /usr/sbin/runc
MEMORY        \d+\.\d MiB resident, \d+\.\d MiB of it on the heap
GOROUTINES    \d+ on \d+ threads
DESCRIPTORS   \d+
$`, os.Getpid())

	if !regexp.MustCompile(want).MatchString(table) {
		t.Errorf("table:\n%s\nwant:\n%s", table, want)
	}

	var document infoDocument
	if err := json.Unmarshal([]byte(infoAs(t, "-o", "json")), &document); err != nil {
		t.Fatal(err)
	}

	if document.APIVersion != apiVersion || document.Places.Run != "/run/extactor" || !document.Places.Embedded || len(document.Places.Listen) != 2 || document.Usage.Descriptors == 0 {
		t.Errorf("document %+v", document)
	}
}

func infoAs(t *testing.T, words ...string) string {
	t.Helper()

	var stdout, stderr bytes.Buffer

	here := newApp()
	here.stdout, here.stderr, here.clock = &stdout, &stderr, testClock

	if code := here.run(t.Context(), append([]string{"info"}, words...)); code != exitDone {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}

	return stdout.String()
}
