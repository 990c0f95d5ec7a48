package api

import (
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/events"
)

// Who has come in stays, but no longer than the certificate is valid that let it in.
func TestCertificateThatEnds(t *testing.T) {
	r := serveRemote(t, start(t, newServices(view("ext-a", events.StateRunning, 1)), newJournal()), impatient())

	pair, err := r.authority.Client(credentials.Reader, credentials.ShortestTTL, time.Now().Add(3*time.Second-credentials.ShortestTTL))
	if err != nil {
		t.Fatal(err)
	}

	config := r.clientConfig(t, credentials.Reader)
	config.Certificates = []tls.Certificate{pair.TLS()}
	client := r.dialWith(t, config)
	answers(t, client)

	stream, err := client.Extactor.WatchStatus(t.Context(), &apiv1.StatusRequest{})
	for err == nil {
		_, err = stream.Recv()
	}

	wantRefusal(t, err, codes.Unauthenticated, "the certificate of this client expired at")
	r.hears(t, "the certificate of this client expired at", "127.0.0.1")

	_, err = client.Machine.ServiceList(t.Context(), &emptypb.Empty{}) // on the same connection
	wantRefusal(t, err, codes.Unauthenticated, "the certificate of this client expired at")
}

// Whoever was let in by a CA stays as long as that is accepted, be it beside others.
func TestCAThatIsDropped(t *testing.T) {
	other, err := credentials.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}

	r := newRemote(t)
	both, only := r.serverConfig(t), r.serverConfig(t)
	both.ClientCAs.AddCert(other.Certificate)
	only.ClientCAs = x509.NewCertPool()
	only.ClientCAs.AddCert(other.Certificate)

	var now atomic.Pointer[tls.Config]

	now.Store(r.serverConfig(t))

	h := start(t, newServices(view("ext-a", events.StateRunning, 1)), newJournal())
	r.serveWith(t, h.server, impatient(), &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return now.Load(), nil }})

	client := r.dial(t, credentials.Reader)
	stream := must[grpc.ServerStreamingClient[apiv1.StatusResponse]](t)(client.Extactor.WatchStatus(t.Context(), &apiv1.StatusRequest{}))
	must[*apiv1.StatusResponse](t)(stream.Recv())

	now.Store(both)
	answers(t, client)

	h.services.set(view("ext-a", events.StateFailed, 2))
	must[*apiv1.StatusResponse](t)(stream.Recv())

	now.Store(only)

	_, err = client.Machine.ServiceList(t.Context(), &emptypb.Empty{})
	wantRefusal(t, err, codes.Unauthenticated, "the CA of this client's certificate is no longer accepted")

	_, err = stream.Recv()
	wantRefusal(t, err, codes.Unauthenticated, "the CA of this client's certificate is no longer accepted")
}
