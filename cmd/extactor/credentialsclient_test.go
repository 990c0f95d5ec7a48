package main

import (
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/extactor/extactor/credentials/talosconfig"
)

// Those who write into one file at the same time wait for each other: no context is lost.
func TestClientsMadeTogether(t *testing.T) {
	const makers = 20

	path := filepath.Join(t.TempDir(), "new", "talosconfig")

	var made sync.WaitGroup

	for i := range makers {
		made.Go(func() {
			if _, err := mergeInto(path, talosconfig.Context{Name: fmt.Sprintf("context%d", i%(makers/2))}, false); err != nil {
				t.Error(err)
			}
		})
	}

	made.Wait()

	config, err := talosconfig.Read(path)
	if err != nil {
		t.Fatal(err)
	}

	if names := config.Names(); len(names) != makers {
		t.Errorf("%d contexts: %q", len(names), names)
	}
}

func TestReachedBy(t *testing.T) {
	for want, names := range map[string][]string{
		"10.5.0.2":  {"node-a", "localhost", "vm", "127.0.0.1", "10.5.0.2", "::1"},
		"fd00::1":   {"localhost", "vm", "127.0.0.1", "::1", "fd00::1"},
		"node-a":    {"*.example", "node-a", "localhost", "vm", "127.0.0.1"},
		"127.0.0.1": {"localhost", "vm", "127.0.0.1", "::1"},
	} {
		certificate := &x509.Certificate{}

		for _, name := range names {
			if address := net.ParseIP(name); address != nil {
				certificate.IPAddresses = append(certificate.IPAddresses, address)
			} else {
				certificate.DNSNames = append(certificate.DNSNames, name)
			}
		}

		if got := reachedBy(certificate); got != want {
			t.Errorf("%v: %s, not %s", names, got, want)
		}
	}
}
