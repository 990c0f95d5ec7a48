package credentials

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// ErrExists is wrapped by the error of Create where a directory holds credentials already.
var ErrExists = errors.New("there are credentials already")

// Options are what is asked for when credentials are made.
type Options struct {
	Names      []string   // by which clients call the server: host names and IP addresses
	Authority  *Authority // nil: a new one is made
	WithoutKey bool       // the key of the CA is not kept in the directory
	Replace    bool       // what is there already
}

// Create makes the credentials of a directory.
func Create(dir string, options Options, now time.Time) (*Set, error) {
	authority := options.Authority

	var err error
	if authority == nil {
		if authority, err = NewAuthority(now); err != nil {
			return nil, err
		}
	}

	server, err := authority.Server(options.Names, now)
	if err != nil {
		return nil, err
	}

	set := &Set{Authority: authority, Server: server}

	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory of the credentials: %w", err)
	}

	unlock, err := lockDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()

	before, err := readFiles(dir)
	if err != nil && !errors.Is(err, ErrNone) && !options.Replace {
		return nil, err
	}

	if len(before) > 0 && !options.Replace {
		return nil, fmt.Errorf("%w in %q", ErrExists, dir)
	}

	return set.kept(options.WithoutKey), set.write(dir, nil, options.WithoutKey)
}

// Rotation is what is replaced, besides what the server shows.
type Rotation struct {
	NewAuthority bool       // a new CA is made, signed by the one before it too
	Authority    *Authority // this CA takes the place of the one before it; or, if it is that one, brings its key
	DropOld      bool       // who has a certificate by a CA before this one is let in no more
	Names        []string   // by which clients call the server from now on; nil: as before
	WithoutKey   bool       // the key of the CA is not kept in the directory
}

// Rotate replaces credentials so that clients go on working: those of the CA before are accepted until it is dropped.
func Rotate(dir string, rotation Rotation, now time.Time) (*Set, error) {
	unlock, err := lockDirectory(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()

	before, err := Read(dir)
	if err != nil {
		return nil, err
	}

	authority, err := before.next(rotation, now)
	if err != nil {
		return nil, err
	}

	after := &Set{Authority: authority, Accepted: slices.Clone(before.Accepted)}

	if !authority.Certificate.Equal(before.Authority.Certificate) {
		after.Accepted = append([]*x509.Certificate{before.Authority.Certificate}, after.Accepted...)
	}

	after.Accepted = slices.DeleteFunc(after.Accepted, authority.Certificate.Equal)

	if rotation.DropOld {
		authority.Crossed, after.Accepted = nil, nil
	}

	names := rotation.Names
	if names == nil {
		names = NamesOf(before.Server.Chain[0])
	}

	if rotation.DropOld && authority.key == nil && rotation.Names == nil {
		after.Server = &Pair{Chain: before.Server.Chain[:1], Key: before.Server.Key} // nothing has to be signed for that
	} else if after.Server, err = authority.Server(names, now); err != nil {
		return nil, err
	}

	if err := after.check(); err != nil {
		return nil, fmt.Errorf("cannot rotate the credentials in %q: %w", dir, err)
	}

	withoutKey := rotation.WithoutKey || !before.CanSign()

	return after.kept(withoutKey), after.write(dir, before, withoutKey)
}

// next is the CA from now on.
func (s *Set) next(rotation Rotation, now time.Time) (*Authority, error) {
	switch {
	case rotation.Authority != nil:
		authority := *rotation.Authority

		return &authority, nil
	case !s.CanSign() && !(rotation.DropOld && !rotation.NewAuthority && rotation.Names == nil):
		return nil, fmt.Errorf("the key of the CA %q is not here: give it with --ca-cert and --ca-key", nameOf(s.Authority.Certificate))
	case !rotation.NewAuthority:
		authority := *s.Authority

		return &authority, nil
	}

	authority, err := NewAuthority(now)
	if err != nil {
		return nil, err
	}

	return authority, authority.Cross(s.Authority)
}

// LoadAuthority reads a CA and its key from two files.
func LoadAuthority(certificatePath, keyPath string) (*Authority, error) {
	read := make(contents)

	for _, file := range []struct{ name, path string }{{authorityFile, certificatePath}, {authorityKeyFile, keyPath}} {
		content, err := readFile(file.path, file.name == authorityKeyFile)
		if err != nil {
			return nil, err
		}

		read[file.name] = content
	}

	authority, err := read.authority()
	if err != nil {
		return nil, fmt.Errorf("cannot use the CA in %q with the key in %q: %w", certificatePath, keyPath, err)
	}

	return authority, nil
}

// NamesOf returns by which names clients may call a server.
func NamesOf(certificate *x509.Certificate) []string {
	names := slices.Clone(certificate.DNSNames)
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}

	return names
}

// kept is the set as it is in the directory.
func (s *Set) kept(withoutKey bool) *Set {
	if !withoutKey {
		return s
	}

	set, authority := *s, *s.Authority
	set.Authority, authority.key = &authority, nil

	return &set
}

// write replaces the files one after the other.
func (s *Set) write(dir string, before *Set, withoutKey bool) error {
	for _, step := range s.steps(dir, before, withoutKey) {
		if err := step(); err != nil {
			return err
		}
	}

	return nil
}

// steps are in such an order that the files fit together after each of them: whoever is killed in between leaves
// credentials with which the clients of before, or those of after, can connect.
func (s *Set) steps(dir string, before *Set, withoutKey bool) []func() error {
	put := func(name string, content []byte) error { return WriteFile(filepath.Join(dir, name), content) }
	putKeys := func(name string, keys ...crypto.Signer) error {
		content, err := encodeKeys(slices.DeleteFunc(keys, func(key crypto.Signer) bool { return key == nil })...)
		if err != nil {
			return err
		}

		return put(name, content)
	}

	var (
		accepted                      = slices.Clone(s.Accepted)
		oldAuthorityKey, oldServerKey crypto.Signer
	)

	if before != nil {
		accepted = append(accepted, before.Trusted()...)
		oldAuthorityKey, oldServerKey = before.Authority.key, before.Server.Key
	}

	authority := append([]*x509.Certificate{s.Authority.Certificate}, s.Authority.Crossed...)
	authorityKeys := func(keys ...crypto.Signer) error {
		if withoutKey {
			return removeFile(filepath.Join(dir, authorityKeyFile))
		}

		return putKeys(authorityKeyFile, keys...)
	}

	return []func() error{
		func() error { return putAccepted(dir, accepted) },
		func() error { return authorityKeys(s.Authority.key, oldAuthorityKey) },
		func() error { return put(authorityFile, encodeCertificates(authority...)) },
		func() error { return putKeys(serverKeyFile, s.Server.Key, oldServerKey) },
		func() error { return put(serverFile, s.Server.CertificatePEM()) },
		func() error { return putKeys(serverKeyFile, s.Server.Key) },
		func() error { return authorityKeys(s.Authority.key) },
		func() error { return putAccepted(dir, s.Accepted) },
	}
}

// putAccepted writes the CAs that are accepted besides, each once.
func putAccepted(dir string, accepted []*x509.Certificate) error {
	path := filepath.Join(dir, acceptedFile)

	var content []byte

	for _, certificate := range accepted {
		if text := encodeCertificates(certificate); !bytes.Contains(content, text) {
			content = append(content, text...)
		}
	}

	if len(content) == 0 {
		return removeFile(path)
	}

	return WriteFile(path, content)
}
