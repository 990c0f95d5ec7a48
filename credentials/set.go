package credentials

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// The files of a directory.
const (
	authorityFile    = "ca.crt"
	authorityKeyFile = "ca.key"
	serverFile       = "server.crt"
	serverKeyFile    = "server.key"
	acceptedFile     = "accepted.crt"
)

var fileNames = []string{authorityFile, authorityKeyFile, serverFile, serverKeyFile, acceptedFile}

// Set is what a directory holds.
type Set struct {
	Authority *Authority // its key may be elsewhere: see CanSign
	Server    *Pair
	Accepted  []*x509.Certificate // CAs whose clients are let in besides
}

// CanSign tells whether the key of the CA is there.
func (s *Set) CanSign() bool { return s.Authority.key != nil }

// Trusted are the CAs by which both sides know each other: the set's own first.
func (s *Set) Trusted() []*x509.Certificate {
	return append([]*x509.Certificate{s.Authority.Certificate}, s.Accepted...)
}

// TrustedPEM returns them as a talosconfig has them.
func (s *Set) TrustedPEM() []byte { return encodeCertificates(s.Trusted()...) }

// ErrNone is wrapped by the error of Read where a directory holds no credentials.
var ErrNone = errors.New("there are no credentials")

// Read reads a directory. What it returns fits together.
func Read(dir string) (*Set, error) {
	content, err := readFiles(dir)
	if err != nil {
		return nil, err
	}

	set, err := content.parse()
	if err != nil {
		return nil, fmt.Errorf("cannot use the credentials in %q: %w", dir, err)
	}

	return set, nil
}

// contents are the files of a directory by name; what does not exist is not there.
type contents map[string][]byte

func (c contents) equal(other contents) bool {
	for _, name := range fileNames {
		if !bytes.Equal(c[name], other[name]) {
			return false
		}
	}

	return true
}

// readFiles reads the files, if nobody but their owner can have written them.
func readFiles(dir string) (contents, error) {
	if err := checkDirectory(dir); err != nil {
		return nil, err
	}

	read := make(contents)

	for _, name := range fileNames {
		content, err := readFile(filepath.Join(dir, name), strings.HasSuffix(name, ".key"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}

		read[name] = content
	}

	if len(read) == 0 {
		return nil, noneIn(dir)
	}

	return read, nil
}

func noneIn(dir string) error {
	return fmt.Errorf("%w in %q; make them with: extactor credentials init --endpoint HOST", ErrNone, dir)
}

func (c contents) parse() (*Set, error) {
	authority, err := c.authority()
	if err != nil {
		return nil, err
	}

	set := &Set{Authority: authority}

	if set.Server, err = c.pair(serverFile, serverKeyFile); err != nil {
		return nil, err
	}

	if len(c[acceptedFile]) > 0 {
		if set.Accepted, err = c.authorities(acceptedFile); err != nil {
			return nil, err
		}
	}

	return set, set.check()
}

func (c contents) authority() (*Authority, error) {
	certificates, err := c.authorities(authorityFile)
	if err != nil {
		return nil, err
	}

	authority := &Authority{Certificate: certificates[0], Crossed: certificates[1:]}

	for _, crossed := range authority.Crossed {
		if err := authority.sameKey(crossed); err != nil {
			return nil, err
		}
	}

	if c[authorityKeyFile] != nil {
		pair, err := c.pair(authorityFile, authorityKeyFile)
		if err != nil {
			return nil, err
		}

		authority.key = pair.Key
	}

	return authority, nil
}

// sameKey refuses a CA of its own where only the CA's other certificates may stand.
func (a *Authority) sameKey(crossed *x509.Certificate) error {
	if bytes.Equal(crossed.RawSubjectPublicKeyInfo, a.Certificate.RawSubjectPublicKeyInfo) || a.leadsTo(crossed) {
		return nil
	}

	return fmt.Errorf("%s: %q in it is another CA than %q; CAs that are accepted besides are in %s",
		authorityFile, nameOf(crossed), nameOf(a.Certificate), acceptedFile)
}

// leadsTo tells whether a certificate is on the way from the CA to one before it.
func (a *Authority) leadsTo(certificate *x509.Certificate) bool {
	for _, crossed := range a.Crossed {
		if crossed != certificate && bytes.Equal(crossed.RawIssuer, certificate.RawSubject) {
			return true
		}
	}

	return false
}

// authorities reads a file of CAs.
func (c contents) authorities(name string) ([]*x509.Certificate, error) {
	certificates, err := c.certificates(name)
	if err != nil {
		return nil, err
	}

	for _, certificate := range certificates {
		if !certificate.IsCA {
			return nil, fmt.Errorf("%s: %q is no certificate of a CA", name, nameOf(certificate))
		}
	}

	return certificates, nil
}

func (c contents) certificates(name string) ([]*x509.Certificate, error) {
	content, there := c[name]
	if !there {
		return nil, fmt.Errorf("%s is missing", name)
	}

	certificates, err := ParseCertificates(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	return certificates, nil
}

func (c contents) keys(name string) ([]crypto.Signer, error) {
	content, there := c[name]
	if !there {
		return nil, fmt.Errorf("%s is missing", name)
	}

	keys, err := parseKeys(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	return keys, nil
}

// pair reads a certificate and its key.
func (c contents) pair(certificateName, keyName string) (*Pair, error) {
	chain, err := c.certificates(certificateName)
	if err != nil {
		return nil, err
	}

	keys, err := c.keys(keyName)
	if err != nil {
		return nil, err
	}

	key := keyOf(chain[0], keys)
	if key == nil {
		return nil, fmt.Errorf("%s does not belong to %s: the key is another one than that of %q", keyName, certificateName, nameOf(chain[0]))
	}

	return &Pair{Chain: chain, Key: key}, nil
}

// check makes sure that clients which know the CAs of the set will know its server. Whether it has expired is no question
// here: the clock may not be set yet.
func (s *Set) check() error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, trusted := range s.Trusted() {
		roots.AddCert(trusted)
	}

	for _, certificate := range s.Server.Chain[1:] {
		between.AddCert(certificate)
	}

	_, err := s.Server.Chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: s.beginning(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})

	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)

	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%s is signed by %q, which is neither in %s (%q) nor in %s", serverFile,
			issuerOf(s.Server.Chain[0]), authorityFile, nameOf(s.Authority.Certificate), acceptedFile)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return fmt.Errorf("%s is not for a server: its extended key usage has no serverAuth", serverFile)
	case err != nil:
		return fmt.Errorf("%s: %w", serverFile, err)
	}

	return nil
}

// beginning is the first moment at which the set is valid.
func (s *Set) beginning() time.Time {
	latest := s.Authority.Certificate.NotBefore

	for _, certificate := range s.Server.Chain {
		if certificate.NotBefore.After(latest) {
			latest = certificate.NotBefore
		}
	}

	return latest
}
