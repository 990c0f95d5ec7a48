package credentials

import (
	"slices"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	for text, want := range map[string]string{
		"10.5.0.2": "10.5.0.2", "fd00:0::1": "fd00::1", "[fd00::1]": "fd00::1", "::ffff:10.5.0.2": "10.5.0.2",
		"Node-A.example": "node-a.example", "*.example": "*.example", "a": "a", "my_host": "my_host", "3com": "3com",
	} {
		if got, err := ParseName(text); err != nil || got != want {
			t.Errorf("%q: %q %v, not %q", text, got, err, want)
		}
	}

	for text, want := range map[string]string{
		"https://10.5.0.2/":             "without https://, it is 10.5.0.2",
		"10.5.0.2:50000":                "without :50000, it is 10.5.0.2",
		"[fd00::1]:50000":               "without :50000, it is fd00::1",
		"node-a:50000":                  "without :50000, it is node-a",
		"fe80::1%eth0":                  "an address of one link (%eth0)",
		"0.0.0.0":                       "no address that a client can connect to",
		"::":                            "no address that a client can connect to",
		"10.0.0.256":                    "neither a host name nor an IP address",
		"":                              "neither a host name nor an IP address",
		"a b":                           "neither a host name nor an IP address",
		"-a":                            "neither a host name nor an IP address",
		"a..b":                          "neither a host name nor an IP address",
		"*":                             "neither a host name nor an IP address",
		"a.*.b":                         "neither a host name nor an IP address",
		"knödel":                        "neither a host name nor an IP address",
		"a,b":                           "neither a host name nor an IP address",
		"10.5.0.2/24":                   "neither a host name nor an IP address",
		"node.example.":                 "neither a host name nor an IP address",
		strings.Repeat("a.", 130) + "a": "neither a host name nor an IP address",
	} {
		if got, err := ParseName(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q %v, not %q", text, got, err, want)
		}
	}
}

func TestLocalNames(t *testing.T) {
	for host, want := range map[string][]string{
		"vm": {"localhost", "127.0.0.1", "::1", "vm"}, "localhost": {"localhost", "127.0.0.1", "::1"}, "(none)": {"localhost", "127.0.0.1", "::1"},
	} {
		if got := LocalNames(host); !slices.Equal(got, want) {
			t.Errorf("%q: %q", host, got)
		}
	}
}
