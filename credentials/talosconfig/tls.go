package talosconfig

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// TLSConfig returns what a client needs to connect: whom it trusts, and what it shows.
func (c *Context) TLSConfig() (*tls.Config, error) {
	switch {
	case len(c.CA) == 0:
		return nil, fmt.Errorf("context %q has no CA (ca): no server could be trusted", c.Name)
	case len(c.Certificate) == 0 || len(c.Key) == 0:
		return nil, fmt.Errorf("context %q has no client's certificate (crt, key); other ways to log in are not known here", c.Name)
	}

	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(c.CA) {
		return nil, fmt.Errorf("context %q: there is no certificate in its CA (ca)", c.Name)
	}

	certificate, err := tls.X509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("context %q: its certificate (crt) and key are of no use: %w", c.Name, err)
	}

	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted, Certificates: []tls.Certificate{certificate}}, nil
}
