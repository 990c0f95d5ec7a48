package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/credentials/talosconfig"
)

// openNetwork serves the house at several addresses, and writes a talosconfig with a context for each role, in which they
// are the nodes. It returns what puts their addresses in the place of their names, and back. At the last one nobody answers.
// The context "other" is of another CA.
func openNetwork(t *testing.T, h *house, path string, names []string) (toAddress, toName *strings.Replacer) {
	t.Helper()

	set, err := credentials.Create(t.TempDir(), credentials.Options{Names: []string{"127.0.0.1"}, Replace: true}, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	var to, from, nodes []string

	for i, name := range names {
		listener, err := api.ListenNetwork("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}

		address := listener.Addr().String()
		to, from = append(to, name, address), append(from, address, name)

		if i == len(names)-1 {
			listener.Close()
		} else {
			nodes = append(nodes, address)
			h.serveNode(t, set, listener)
		}
	}

	stranger, err := credentials.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}

	writeContexts(t, path, set, nodes, map[string]*credentials.Authority{"reader": set.Authority, "admin": set.Authority, "other": stranger})

	return strings.NewReplacer(to...), strings.NewReplacer(from...)
}

func (h *house) serveNode(t *testing.T, set *credentials.Set, listener net.Listener) {
	t.Helper()

	dir := t.TempDir()
	if _, err := credentials.Create(dir, credentials.Options{Names: []string{"127.0.0.1"}, Authority: set.Authority}, time.Now()); err != nil {
		t.Fatal(err)
	}

	server, err := credentials.OpenServer(dir, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}

	h.serve(t, func(ctx context.Context, answers *api.Server) error {
		return answers.ServeNetwork(ctx, api.Network{
			Listeners: []net.Listener{listener}, TLS: server.TLSConfig(), Report: func(error) {},
		})
	})
}

func writeContexts(t *testing.T, path string, set *credentials.Set, nodes []string, authorities map[string]*credentials.Authority) {
	t.Helper()

	var content []byte

	for _, name := range []string{"other", "admin", "reader"} { // the last one is the current one
		role := credentials.Admin
		if name == "reader" {
			role = credentials.Reader
		}

		pair, err := authorities[name].Client(role, 24*time.Hour, time.Now())
		if err != nil {
			t.Fatal(err)
		}

		key, err := pair.KeyPEM()
		if err != nil {
			t.Fatal(err)
		}

		content, _, err = talosconfig.Merge(content, talosconfig.Context{
			Name: name, Endpoints: slices.Clone(nodes), CA: set.TrustedPEM(), Certificate: pair.CertificatePEM(), Key: key,
		}, false)
		if err != nil {
			t.Fatal(err)
		}
	}

	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPrefixed(t *testing.T) {
	var out strings.Builder

	lines := &prefixed{out: &out, prefix: "a: "}
	for _, part := range []string{"one\ntw", "", "o\n\nthree"} {
		if n, err := fmt.Fprint(lines, part); n != len(part) || err != nil {
			t.Errorf("%q: %d %v", part, n, err)
		}
	}

	if want := "a: one\na: two\na: \n"; out.String() != want {
		t.Errorf("%q, not %q", out.String(), want)
	}

	if err := lines.end(); err != nil || !strings.HasSuffix(out.String(), "a: three\n") {
		t.Errorf("%q %v", out.String(), err)
	}
}
