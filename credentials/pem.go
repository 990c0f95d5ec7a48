package credentials

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

const (
	certificateType = "CERTIFICATE"
	keyType         = "PRIVATE KEY"
)

// ParseCertificates reads all certificates of a PEM text; there is at least one.
func ParseCertificates(content []byte) ([]*x509.Certificate, error) {
	var certificates []*x509.Certificate

	for block := range blocks(content) {
		if block.Type != certificateType {
			continue
		}

		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it is damaged: %w", len(certificates)+1, err)
		}

		certificates = append(certificates, certificate)
	}

	if len(certificates) == 0 {
		return nil, errors.New("there is no certificate in it; it is PEM text (-----BEGIN CERTIFICATE-----)")
	}

	return certificates, nil
}

// parseKeys reads all private keys of a PEM text; there is at least one.
func parseKeys(content []byte) ([]crypto.Signer, error) {
	var keys []crypto.Signer

	for block := range blocks(content) {
		if !strings.HasSuffix(block.Type, keyType) {
			continue
		}

		if strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "" {
			return nil, errors.New("the key in it is encrypted, and nobody is there to enter a password: decrypt it")
		}

		key, err := parseKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("key %d in it: %w", len(keys)+1, err)
		}

		keys = append(keys, key)
	}

	if len(keys) == 0 {
		return nil, errors.New("there is no private key in it; it is PEM text (-----BEGIN PRIVATE KEY-----)")
	}

	return keys, nil
}

// parseKey reads a key in any form that is around. The type of its PEM block does not tell: Talos calls a key in PKCS#8
// an ED25519 PRIVATE KEY.
func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}

		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}

	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}

	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}

	return nil, errors.New("it is damaged, or of an unknown kind; PKCS#8, EC and RSA keys are known")
}

// keyOf returns the key that belongs to a certificate.
func keyOf(certificate *x509.Certificate, keys []crypto.Signer) crypto.Signer {
	public, ok := certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return nil
	}

	for _, key := range keys {
		if public.Equal(key.Public()) {
			return key
		}
	}

	return nil
}

func blocks(content []byte) func(yield func(*pem.Block) bool) {
	return func(yield func(*pem.Block) bool) {
		for {
			var block *pem.Block
			if block, content = pem.Decode(content); block == nil || !yield(block) {
				return
			}
		}
	}
}

func encodeCertificates(certificates ...*x509.Certificate) []byte {
	var content bytes.Buffer
	for _, certificate := range certificates {
		_ = pem.Encode(&content, &pem.Block{Type: certificateType, Bytes: certificate.Raw}) // a buffer takes everything
	}

	return content.Bytes()
}

func encodeKeys(keys ...crypto.Signer) ([]byte, error) {
	var content bytes.Buffer

	for _, key := range keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("cannot write a key: %w", err)
		}

		_ = pem.Encode(&content, &pem.Block{Type: keyType, Bytes: der})
	}

	return content.Bytes(), nil
}
