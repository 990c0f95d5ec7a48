package api

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"
)

const (
	// rememberRefused is for how many clients it is known that they were told of; then all are forgotten.
	rememberRefused = 1024
	// forgetRefused is after how long a client that is still turned away is told of again.
	forgetRefused = time.Hour
)

// reports tell the daemon's log of clients that are turned away: each once an hour for each cause, and never so many that
// strangers could fill a disk.
type reports struct {
	report func(error)
	budget *rate.Limiter

	mu         sync.Mutex
	told       map[[2]string]time.Time // by cause and address
	suppressed int
}

func newReports(report func(error)) *reports {
	return &reports{report: report, budget: rate.NewLimiter(rate.Every(10*time.Second), 20), told: map[[2]string]time.Time{}}
}

// refuse tells that somebody was turned away. cause is the kind of the reason, the same for the same kind.
func (r *reports) refuse(address net.Addr, cause, reason string) {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		host = address.String()
	}

	if suppressed, tell := r.worthwhile([2]string{cause, host}); tell {
		more := ""
		if suppressed > 0 {
			more = fmt.Sprintf(" (%d others were turned away, and are not shown)", suppressed)
		}

		r.report(fmt.Errorf("client %s: %s%s", host, reason, more))
	}
}

func (r *reports) worthwhile(key [2]string) (suppressed int, tell bool) {
	r.mu.Lock()
	defer r.mu.Unlock()

	now := time.Now()
	if at, told := r.told[key]; told && now.Sub(at) < forgetRefused {
		return 0, false
	}

	if !r.budget.AllowN(now, 1) {
		r.suppressed++

		return 0, false
	}

	if len(r.told) >= rememberRefused {
		clear(r.told)
	}

	r.told[key] = now
	suppressed, r.suppressed = r.suppressed, 0

	return suppressed, true
}

// failed tells of a handshake that came to nothing, with a client that calls this host by a name. Whoever only looks whether the
// port is open is not worth a word.
func (r *reports) failed(address net.Addr, err error, used *tls.Config, called string) {
	if cause, reason := diagnose(err, used, called); cause != "" {
		r.refuse(address, cause, reason)
	}
}

// diagnose says for people why a handshake failed, and names the kind of the reason; "" where the client just left.
func diagnose(err error, used *tls.Config, called string) (cause, reason string) {
	var (
		noTLS   tls.RecordHeaderError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		remote  *net.OpError
	)

	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, unix.ECONNRESET):
		return "", ""
	case errors.As(err, &noTLS):
		return "no TLS", "it does not speak TLS"
	case strings.Contains(err.Error(), "didn't provide a certificate"): // package tls has no value for this one,
		return "no certificate", "it showed no certificate of the CA of this host (clients keep back those of another)"
	case strings.Contains(err.Error(), "unsupported versions"): // for this one,
		return "old TLS", "it does not speak TLS 1.3"
	case errors.Is(err, errNotGRPC), strings.Contains(err.Error(), "unsupported application protocols"): // and for this one
		return "no HTTP/2", "it does not speak HTTP/2"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return diagnoseTime(invalid.Cert, used)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "usage", fmt.Sprintf("its certificate (%s) is not a client's", subject(invalid.Cert))
	case errors.As(err, &unknown):
		return "wrong CA", fmt.Sprintf("its certificate (%s) is not signed by the CA of this host", subject(unknown.Cert))
	case errors.As(err, &remote) && remote.Op == "remote error":
		return diagnoseAlert(remote.Err, used, called)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout", "it did not complete the TLS handshake in time"
	default:
		reason := "the TLS handshake failed: " + shortened(err.Error(), longestQuoted)

		return reason, reason
	}
}

// diagnoseAlert says why a client does not accept the certificate of this host. Clients do not tell much of that, but a name
// that is not in the certificate is reason enough.
func diagnoseAlert(alert error, used *tls.Config, called string) (cause, reason string) {
	reason = fmt.Sprintf("it does not accept the certificate of this host: %v", alert)

	if used == nil || len(used.Certificates) == 0 || used.Certificates[0].Leaf == nil {
		return "alert", reason
	}

	if own := used.Certificates[0].Leaf; own.VerifyHostname(called) != nil {
		return "name", fmt.Sprintf("%s; that is for %s, and the client calls this host %s", reason, strings.Join(namesOf(own), ", "), shortened(called, longestShown))
	}

	return "alert", reason
}

func diagnoseTime(certificate *x509.Certificate, used *tls.Config) (cause, reason string) {
	now := clock(used)
	if now.Before(certificate.NotBefore) {
		return "not yet valid", fmt.Sprintf("its certificate (%s) is not valid before %s, and it is %s: is a clock wrong?",
			subject(certificate), certificate.NotBefore.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}

	return "expired", fmt.Sprintf("its certificate (%s) expired at %s", subject(certificate), certificate.NotAfter.Format(time.RFC3339))
}

// subject is who a certificate is for, which anybody may have written.
func subject(certificate *x509.Certificate) string {
	if certificate == nil {
		return "of nobody"
	}

	name := certificate.Subject.CommonName
	if name == "" {
		name = quoted(certificate.Subject.Organization)
	}

	return fmt.Sprintf("%q", shortened(name, longestShown))
}
