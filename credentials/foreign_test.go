package credentials

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A CA of any kind that people have is used, in whatever form its key is: Talos's own among them.
func TestForeignAuthorities(t *testing.T) {
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}

	for name, test := range map[string]struct {
		key    crypto.Signer
		kind   string
		encode func() ([]byte, error)
	}{
		"of Talos": {edKey, "ED25519 PRIVATE KEY", func() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(edKey) }},
		"EC":       {ecKey, "EC PRIVATE KEY", func() ([]byte, error) { return x509.MarshalECPrivateKey(ecKey) }},
		"RSA":      {rsaKey, "RSA PRIVATE KEY", func() ([]byte, error) { return x509.MarshalPKCS1PrivateKey(rsaKey), nil }},
	} {
		t.Run(name, func(t *testing.T) {
			der, err := test.encode()
			if err != nil {
				t.Fatal(err)
			}

			authority, err := loadForeign(t, test.key, pem.EncodeToMemory(&pem.Block{Type: test.kind, Bytes: der}))
			if err != nil {
				t.Fatal(err)
			}

			dir, set := made(t, Options{Authority: authority})
			address := served(t, opened(t, dir, unreported(t)))

			if got := greeting(address, client(t, set, Operator)); got != string(Operator) {
				t.Errorf("a client: %q", got)
			}

			after, err := Rotate(dir, Rotation{NewAuthority: true}, time.Now())
			if err != nil {
				t.Fatal(err)
			}

			address = served(t, opened(t, dir, unreported(t)))
			for _, config := range []*Set{set, after} {
				if got := greeting(address, client(t, config, Reader)); got != string(Reader) {
					t.Errorf("a client, after the CA was replaced: %q", got)
				}
			}
		})
	}
}

// loadForeign writes a CA as others make it, without most of what ours says, and loads it.
func loadForeign(t *testing.T, key crypto.Signer, keyPEM []byte) (*Authority, error) {
	t.Helper()

	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{Organization: []string{"talos"}},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}

	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	certificatePath, keyPath := filepath.Join(dir, "my-ca.pem"), filepath.Join(dir, "my-ca-key.pem")

	if err := os.WriteFile(certificatePath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(keyPath, keyPEM, 0o600); err != nil {
		t.Fatal(err)
	}

	return LoadAuthority(certificatePath, keyPath)
}
