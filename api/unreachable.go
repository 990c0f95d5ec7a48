package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrUnreachable is wrapped where no connection to a daemon on the network came about.
var ErrUnreachable = errors.New("cannot connect")

// word says for people why there is no connection, and what to do.
func (a *attempt) word(err error) error {
	return fmt.Errorf("%w to %s: %s", ErrUnreachable, a.address, a.reason(err))
}

func (a *attempt) reason(err error) string {
	var (
		unverified *tls.CertificateVerificationError
		record     tls.RecordHeaderError
		lookup     *net.DNSError
		operation  *net.OpError
	)

	switch {
	case errors.As(err, &unverified):
		return a.distrust(unverified)
	case errors.As(err, &record):
		return "what listens there does not speak TLS; is it the port of extactor's API?"
	case errors.As(err, &operation) && operation.Op == "remote error":
		return a.refusal(operation.Err.Error())
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return fmt.Sprintf("the host name %q is not known", lookup.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there; on the node: extactor daemon --listen :" + DefaultPort
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return fmt.Sprintf("no answer within %s; the node is down, or a firewall is between", connectWithin)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection is closed by the other side; is it the port of extactor's API?"
	default:
		return plainCause(err).Error()
	}
}

func isTimeout(err error) bool {
	var late net.Error

	return errors.As(err, &late) && late.Timeout()
}

// distrust words why the client does not trust the server.
func (a *attempt) distrust(err *tls.CertificateVerificationError) string {
	var (
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)

	switch {
	case errors.As(err, &name):
		names := namesOf(name.Certificate)

		return fmt.Sprintf("its certificate is for %s, not for %s: use one of these names, or, on the node: extactor credentials rotate --endpoint %s",
			strings.Join(names, ", "), name.Host, strings.Join(append(names, name.Host), ","))
	case errors.As(err, &unknown):
		return fmt.Sprintf("its certificate is not signed by the CA of %s: it is another node than you mean, or its CA was replaced and you need a new talosconfig",
			a.context())
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return expired("its certificate", invalid.Cert, "on the node: extactor credentials rotate")
	default:
		return "its certificate is of no use: " + err.Err.Error()
	}
}

// refusal words why the server does not let the client in: the text is that of an alert of TLS.
func (a *attempt) refusal(alert string) string {
	client := a.clientCertificate()

	switch {
	case strings.Contains(alert, "expired certificate"):
		return expired("your certificate", client, fmt.Sprintf("renew %s: extactor credentials client", a.context()))
	case strings.Contains(alert, "unknown certificate authority"), strings.Contains(alert, "unknown certificate"):
		return fmt.Sprintf("it does not know the CA by which the certificate of %s is signed: it is another node than you mean, or its CA was replaced and you need a new talosconfig",
			a.context())
	case strings.Contains(alert, "certificate required"):
		return fmt.Sprintf("it wants a client's certificate, and %s has none", a.context())
	case strings.Contains(alert, "bad certificate"), strings.Contains(alert, "unsupported certificate"):
		if client != nil && time.Now().After(client.NotAfter) {
			return expired("your certificate", client, fmt.Sprintf("renew %s: extactor credentials client", a.context()))
		}

		return fmt.Sprintf("it takes the certificate of %s for none of a client", a.context())
	case strings.Contains(alert, "protocol version"), strings.Contains(alert, "no application protocol"):
		return "it speaks TLS, but is no extactor: " + alert
	default:
		return "it refuses the connection: " + alert
	}
}

func (a *attempt) context() string {
	if a.remote.Context == "" {
		return "the talosconfig"
	}

	return fmt.Sprintf("context %q", a.remote.Context)
}

func (a *attempt) clientCertificate() *x509.Certificate {
	if len(a.remote.TLS.Certificates) == 0 {
		return nil
	}

	return a.remote.TLS.Certificates[0].Leaf
}

// expired words that a certificate is not valid now: it has ended, or one of two clocks is wrong.
func expired(whose string, certificate *x509.Certificate, remedy string) string {
	now := time.Now()

	switch {
	case certificate == nil:
		return whose + " has expired; " + remedy
	case now.After(certificate.NotAfter):
		return fmt.Sprintf("%s expired at %s; %s", whose, certificate.NotAfter.Format(time.RFC3339), remedy)
	case now.Before(certificate.NotBefore):
		return fmt.Sprintf("%s is valid from %s on, and the clock of this machine says %s: set it",
			whose, certificate.NotBefore.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	default:
		return fmt.Sprintf("%s is valid until %s by the clock of this machine, and not by that of the node: compare them",
			whose, certificate.NotAfter.Format(time.RFC3339))
	}
}

func namesOf(certificate *x509.Certificate) []string {
	names := slices.Clone(certificate.DNSNames)
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}

	return names
}

// lacksRole is what a daemon says where a certificate has too little.
var lacksRole = regexp.MustCompile(`^/\S+/(\w+) needs the role os:(\w+); this certificate has (.*)$`)

// wordRefusal adds what to do to a refusal.
func wordRefusal(message string) string {
	return lacksRole.ReplaceAllString(message,
		"$1 needs the role os:$2, and your certificate has $3; make one that has it: extactor credentials client --role $2")
}
