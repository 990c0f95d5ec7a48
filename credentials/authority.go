package credentials

import (
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

const (
	// lifetime is how long a CA and what a server shows are valid, as in Talos.
	lifetime = 10 * 365 * 24 * time.Hour

	// headStart is how far before its making a CA is valid: clocks differ.
	headStart = time.Hour

	// ShortestTTL is how long a client's certificate is valid at least: less would have ended before it is of use.
	ShortestTTL = time.Minute
)

// earliest is before the first version of extactor: a clock that shows less has not been set.
var earliest = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Authority is a CA that can sign.
type Authority struct {
	Certificate *x509.Certificate
	// Crossed are the same CA, signed by those before it. Sent along with a certificate they lead from there to the older
	// CA, so that who knows only that one trusts the certificate too.
	Crossed []*x509.Certificate

	key crypto.Signer
}

// Pair is a certificate, with what leads from it to its CA, and its key.
type Pair struct {
	Chain []*x509.Certificate // the certificate first
	Key   crypto.Signer
}

// TLS returns the pair as package tls shows it.
func (p *Pair) TLS() tls.Certificate {
	shown := tls.Certificate{PrivateKey: p.Key, Leaf: p.Chain[0]}
	for _, link := range p.Chain {
		shown.Certificate = append(shown.Certificate, link.Raw)
	}

	return shown
}

// CertificatePEM returns the chain as a file or a talosconfig has it.
func (p *Pair) CertificatePEM() []byte { return encodeCertificates(p.Chain...) }

// KeyPEM returns the key as a file or a talosconfig has it.
func (p *Pair) KeyPEM() ([]byte, error) { return encodeKeys(p.Key) }

// NewAuthority makes a CA.
func NewAuthority(now time.Time) (*Authority, error) {
	if err := checkClock(now); err != nil {
		return nil, err
	}

	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}

	serial, err := newSerial()
	if err != nil {
		return nil, err
	}

	// Each CA has a name of its own, so that two of them in one bundle can be told apart.
	name := "extactor CA " + hex.EncodeToString(serial.Bytes()[:4])
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"extactor"}, CommonName: name},
		NotBefore:             now.Add(-headStart),
		NotAfter:              now.Add(lifetime),
		BasicConstraintsValid: true,
		IsCA:                  true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}

	certificate, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}

	return &Authority{Certificate: certificate, key: key}, nil
}

// Cross has the older authority sign the newer one, so that who trusts the older one trusts what the newer one signs.
func (a *Authority) Cross(older *Authority) error {
	serial, err := newSerial()
	if err != nil {
		return err
	}

	template := &x509.Certificate{
		SerialNumber: serial, RawSubject: a.Certificate.RawSubject, SubjectKeyId: a.Certificate.SubjectKeyId,
		NotBefore: a.Certificate.NotBefore, NotAfter: earlier(a.Certificate.NotAfter, older.Certificate.NotAfter),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: a.Certificate.KeyUsage, ExtKeyUsage: a.Certificate.ExtKeyUsage,
	}

	crossed, err := sign(template, older.Certificate, a.Certificate.PublicKey, older.key)
	if err != nil {
		return err
	}

	a.Crossed = append([]*x509.Certificate{crossed}, older.Crossed...)

	return nil
}

// Server makes what a server shows whose clients call it by one of these names: host names and IP addresses.
func (a *Authority) Server(names []string, now time.Time) (*Pair, error) {
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}

	for _, name := range names {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}

	template.Subject.CommonName = "extactor"

	return a.issue(template, earlier(now.Add(lifetime), a.Certificate.NotAfter), now)
}

// Client makes what a client shows.
func (a *Authority) Client(role Role, ttl time.Duration, now time.Time) (*Pair, error) {
	end := now.Add(ttl)

	switch {
	case ttl < ShortestTTL:
		return nil, fmt.Errorf("%s is too short to be of use; it is at least %s", ttl, ShortestTTL)
	case end.After(a.Certificate.NotAfter) && now.Before(a.Certificate.NotAfter):
		return nil, fmt.Errorf("it would outlive its CA, which ends at %s: it can be valid for %dh at most",
			a.Certificate.NotAfter.Format(time.RFC3339), a.Certificate.NotAfter.Sub(now)/time.Hour)
	}

	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{string(role)}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}

	return a.issue(template, end, now)
}

// issue signs a certificate of a new key. It is valid from the beginning of its CA on, not from now: on a device whose
// clock is not set yet, the daemon takes it for as late as its own certificates, and lets in whom it will let in later.
func (a *Authority) issue(template *x509.Certificate, end, now time.Time) (*Pair, error) {
	if err := a.usable(now); err != nil {
		return nil, err
	}

	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a key: %w", err)
	}

	if template.SerialNumber, err = newSerial(); err != nil {
		return nil, err
	}

	template.NotBefore, template.NotAfter = a.Certificate.NotBefore, end
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true

	certificate, err := sign(template, a.Certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}

	return &Pair{Chain: append([]*x509.Certificate{certificate}, a.Crossed...), Key: key}, nil
}

// usable tells whether what the CA signs now is of any use.
func (a *Authority) usable(now time.Time) error {
	if err := checkClock(now); err != nil {
		return err
	}

	switch {
	case a.key == nil:
		return errors.New("the key of the CA is not here")
	case now.After(a.Certificate.NotAfter):
		return fmt.Errorf("the CA %q expired at %s; a new one is made by: extactor credentials rotate --ca",
			nameOf(a.Certificate), a.Certificate.NotAfter.Format(time.RFC3339))
	case now.Before(a.Certificate.NotBefore):
		return fmt.Errorf("the CA %q is valid from %s on, and the clock of this machine says %s: set it",
			nameOf(a.Certificate), a.Certificate.NotBefore.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}

	return nil
}

// checkClock refuses to make what will have expired once somebody sets the clock.
func checkClock(now time.Time) error {
	if now.Before(earliest) {
		return fmt.Errorf("the clock of this machine is not set, it says %s: certificates made now would have expired once it is; "+
			"set it, or make them on another machine", now.UTC().Format(time.RFC3339))
	}

	return nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("cannot sign a certificate: %w", err)
	}

	return x509.ParseCertificate(der)
}

// newSerial is a random number of 128 bits, the first of which is set so that it always has as many bytes.
func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("cannot make a serial number: %w", err)
	}

	return serial.SetBit(serial, 126, 1), nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}

	return b
}

// nameOf is what people know a certificate by, issuerOf what they know by which it is signed.
func nameOf(certificate *x509.Certificate) string {
	return cmp.Or(certificate.Subject.CommonName, certificate.Subject.String())
}

func issuerOf(certificate *x509.Certificate) string {
	return cmp.Or(certificate.Issuer.CommonName, certificate.Issuer.String())
}
