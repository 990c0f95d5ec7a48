package credentials

import (
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// What it costs that files are followed: a handshake with them, beside one with a configuration that never changes.
func BenchmarkHandshake(b *testing.B) {
	dir, set := made(b, Options{})

	following, err := OpenServer(dir, func(err error) { b.Error(err) })
	if err != nil {
		b.Fatal(err)
	}

	config := client(b, set, Reader)

	measured := func(server *tls.Config) time.Duration {
		begin := time.Now()

		for range b.N {
			handshake(b, server, config)
		}

		return time.Since(begin)
	}

	floor := measured(set.serverConfig(time.Now))

	b.ResetTimer()

	with := measured(following.TLSConfig())

	b.ReportMetric(float64(with)/float64(floor), "x-floor")
}

func handshake(b *testing.B, server, config *tls.Config) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()

	failed := make(chan error, 1)

	go func() { failed <- tls.Server(far, server).Handshake() }()

	if err := tls.Client(near, config).Handshake(); err != nil {
		b.Fatal(err)
	}

	if err := <-failed; err != nil {
		b.Fatal(err)
	}
}
