package api

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// trust is what the certificates of clients are judged by: in the handshake by package tls, and afterwards here, because a
// connection may outlive the certificate that let it in, and the trust in the CA of that.
type trust struct {
	config *tls.Config
}

// current is what counts for who connects now.
func (t trust) current(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	current := t.config

	if t.config.GetConfigForClient != nil {
		chosen, err := t.config.GetConfigForClient(hello)
		if err != nil {
			return nil, err
		}

		if chosen != nil {
			current = chosen
		}
	}

	if current.ClientCAs == nil {
		return nil, errors.New("it is not said whose clients are let in")
	}

	return current, nil
}

// check tells whether a client that was let in would be let in now.
func (t trust) check(caller remoteInfo) error {
	current, err := t.current(&tls.ClientHelloInfo{})
	if err != nil {
		return status.Errorf(codes.Unauthenticated, "cannot tell who is let in: %v", err)
	}

	now := clock(current)
	if now.After(caller.chain[0].NotAfter) {
		return status.Errorf(codes.Unauthenticated, "the certificate of this client expired at %s", caller.chain[0].NotAfter.Format(time.RFC3339))
	}

	if current.ClientCAs == caller.trusted {
		return nil // which has not changed since
	}

	between := x509.NewCertPool()
	for _, link := range caller.chain[1:] {
		between.AddCert(link)
	}

	_, err = caller.chain[0].Verify(x509.VerifyOptions{
		Roots: current.ClientCAs, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return status.Error(codes.Unauthenticated, "the CA of this client's certificate is no longer accepted")
	}

	return nil
}

// clock is the time by which a configuration judges.
func clock(config *tls.Config) time.Time {
	if config != nil && config.Time != nil {
		return config.Time()
	}

	return time.Now()
}
