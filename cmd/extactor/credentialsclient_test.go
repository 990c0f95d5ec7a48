package main

import (
	"crypto/x509"
	"net"
	"testing"
)

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
