package credentials

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// hostName is what a certificate can be for: a DNS name, whose first label may be a wildcard.
var hostName = regexp.MustCompile(`^(\*\.)?[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$`)

// ParseName reads by what name clients call a server: a host name or an IP address, without a scheme and a port.
func ParseName(text string) (string, error) {
	if scheme, rest, found := strings.Cut(text, "://"); found {
		return "", fmt.Errorf("endpoint %q: without %s://, it is %s", text, scheme, strings.TrimRight(rest, "/"))
	}

	if address, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		if address.Zone() != "" {
			return "", fmt.Errorf("endpoint %q: a certificate cannot be for an address of one link (%%%s)", text, address.Zone())
		}

		if address.IsUnspecified() {
			return "", fmt.Errorf("endpoint %q is no address that a client can connect to", text)
		}

		return address.Unmap().String(), nil
	}

	if host, port, err := net.SplitHostPort(text); err == nil {
		return "", fmt.Errorf("endpoint %q: a certificate is for a host, not for a port: without :%s, it is %s", text, port, host)
	}

	name := strings.ToLower(text)
	if len(name) > 253 || !hostName.MatchString(name) || numeric(name) {
		return "", fmt.Errorf("endpoint %q is neither a host name nor an IP address", text)
	}

	return name, nil
}

// numeric tells whether a name looks like an address that is none, such as 10.0.0.256.
func numeric(name string) bool {
	return !strings.ContainsFunc(name[strings.LastIndexByte(name, '.')+1:], func(char rune) bool { return char < '0' || char > '9' })
}

// LocalNames are what a server is called on its own machine.
func LocalNames(host string) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}

	if name, err := ParseName(host); err == nil && !slices.Contains(names, name) {
		names = append(names, name)
	}

	return names
}
