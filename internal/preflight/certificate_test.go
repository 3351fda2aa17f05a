package preflight_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/internal/preflight"
)

var now = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// An identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// issue makes a certificate for a server, which change may change. A nil issuer is
// itself.
func issue(t *testing.T, issuer *identity, key crypto.Signer, change func(*x509.Certificate)) *identity {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "tls.example"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(90 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		DNSNames:     []string{"tls.example", "www.tls.example"},
	}
	if change != nil {
		change(template)
	}
	id := &identity{key: key}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	id.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return id
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// authority makes an issuer of this name.
func authority(t *testing.T, issuer *identity, name string) *identity {
	t.Helper()
	return issue(t, issuer, newKey(t), func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames = name, nil
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
}

func certPEM(chain ...*identity) (text []byte) {
	for _, id := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.cert.Raw})...)
	}
	return text
}

func keyPEM(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// check checks a pair of files with these contents.
func check(t *testing.T, cert, key []byte) preflight.Report {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certFile, cert, 0o600))
	require.NoError(t, os.WriteFile(keyFile, key, 0o600))
	var r preflight.Report
	r.Certificate(certFile, keyFile, now)
	return r
}

// texts returns what a report says at a level.
func texts(r preflight.Report, level preflight.Level) (all []string) {
	for _, f := range r {
		if f.Level == level {
			all = append(all, f.Subject+" "+f.Text+" -> "+f.Advice)
		}
	}
	return all
}

// TestCertificateThatIsRight has an authority that this machine does not know, about
// which there is only a warning.
func TestCertificateThatIsRight(t *testing.T) {
	root := authority(t, nil, "root")
	intermediate := authority(t, root, "intermediate")
	leaf := issue(t, intermediate, newKey(t), nil)
	r := check(t, certPEM(leaf, intermediate), keyPEM(t, leaf.key))
	assert.Empty(t, texts(r, preflight.Problem))
	require.Len(t, texts(r, preflight.OK), 1)
	assert.Contains(t, texts(r, preflight.OK)[0], "cert.pem: for tls.example, www.tls.example, until 2027-03-01 (90 days)")
	require.Len(t, texts(r, preflight.Warning), 1)
	assert.Contains(t, texts(r, preflight.Warning)[0], "does not trust CN=root, the issuer of its last certificate -> ")

	r = check(t, certPEM(leaf, intermediate, root), keyPEM(t, leaf.key))
	assert.Empty(t, texts(r, preflight.Problem), "the root may be there")
}

func TestCertificateProblems(t *testing.T) {
	root := authority(t, nil, "root")
	intermediate := authority(t, root, "intermediate")
	key := newKey(t)
	leafWith := func(change func(*x509.Certificate)) []byte {
		return certPEM(issue(t, intermediate, key, change), intermediate)
	}
	leaf := issue(t, intermediate, key, nil)
	weakRSA, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	good, goodKey := certPEM(leaf, intermediate), keyPEM(t, key)

	for name, c := range map[string]struct {
		cert, key []byte
		level     preflight.Level
		want      string
	}{
		"expired": {leafWith(func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Minute) }), goodKey,
			preflight.Problem, "has expired on 2026-12-01T11:59:00Z: clients reject it -> renew it"},
		"not yet valid": {leafWith(func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }), goodKey,
			preflight.Problem, "is not valid before 2026-12-01T13:00:00Z -> check the clock"},
		"soon expired": {leafWith(func(c *x509.Certificate) { c.NotAfter = now.Add(13 * 24 * time.Hour) }), goodKey,
			preflight.Warning, "expires on 2026-12-14T12:00:00Z -> renew it now"},
		"no names": {leafWith(func(c *x509.Certificate) { c.DNSNames = nil }), goodKey,
			preflight.Problem, `has no subjectAltName; clients ignore the common name "tls.example"`},
		"for clients": {leafWith(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), goodKey,
			preflight.Problem, "is not for servers"},
		"another key": {good, keyPEM(t, newKey(t)),
			preflight.Problem, "--key does not belong to the certificate in "},
		"leaf last": {certPEM(intermediate, leaf), goodKey,
			preflight.Problem, "the certificate of the key is number 2, not the first -> put it first"},
		"chain in the wrong order": {certPEM(leaf, root, intermediate), goodKey,
			preflight.Problem, "certificate 2 (CN=root) has not issued certificate 1 (CN=tls.example) -> order the chain"},
		"another chain": {certPEM(leaf, authority(t, nil, "intermediate")), goodKey,
			preflight.Problem, "has not issued certificate 1"},
		"an expired intermediate": {certPEM(leaf, issue(t, root, intermediate.key, func(c *x509.Certificate) {
			*c = *intermediate.cert
			c.NotAfter = now.Add(-time.Minute)
		})), goodKey, preflight.Warning, "certificate 2 (CN=intermediate) has expired"},
		"no intermediate": {certPEM(leaf), goodKey,
			preflight.Warning, "does not trust CN=intermediate, the issuer of its last certificate -> if the authority is a public one"},
		"self-signed": {certPEM(issue(t, nil, key, nil)), goodKey,
			preflight.Warning, "is self-signed"},
		"RSA with 1024 bits": {certPEM(issue(t, intermediate, weakRSA, nil), intermediate), keyPEM(t, weakRSA),
			preflight.Problem, "its RSA key has 1024 bits, fewer than 2048"},
		"P-224": {certPEM(issue(t, intermediate, p224, nil), intermediate), keyPEM(t, p224),
			preflight.Problem, "its key is on the curve P-224"},
		"Ed25519": {certPEM(issue(t, intermediate, edKey, nil), intermediate), keyPEM(t, edKey),
			preflight.Warning, "which browsers do not support"},
		"swapped":                  {goodKey, good, preflight.Problem, "has a key, and no certificate -> check whether --cert and --key are swapped"},
		"the key is a certificate": {good, good, preflight.Problem, "has a certificate, and no key -> check whether"},
		"DER":                      {leaf.cert.Raw, goodKey, preflight.Problem, "is in DER form, not PEM -> openssl x509"},
		"empty":                    {nil, goodKey, preflight.Problem, "has no certificate in PEM form"},
		"no key":                   {good, []byte("nonsense"), preflight.Problem, "has no key in PEM form"},
		"an encrypted key": {good, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}),
			preflight.Problem, "is encrypted -> openssl pkey"},
		"a damaged key": {good, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte{1}}),
			preflight.Problem, "--key "},
		"a damaged certificate": {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), goodKey,
			preflight.Problem, "certificate 1: x509: "},
	} {
		r := check(t, c.cert, c.key)
		assert.Condition(t, func() bool {
			for _, text := range texts(r, c.level) {
				if strings.Contains(text, c.want) {
					return true
				}
			}
			return false
		}, "%s: %v", name, r)
	}
}

// TestCertificateProblemsAreAllReported has one certificate with three of them.
func TestCertificateProblemsAreAllReported(t *testing.T) {
	id := issue(t, nil, newKey(t), func(c *x509.Certificate) { c.NotAfter, c.DNSNames = now.Add(-time.Second), nil })
	r := check(t, certPEM(id), keyPEM(t, newKey(t)))
	assert.Len(t, texts(r, preflight.Problem), 3, "expired, without names, another key: %v", r)
}

// TestCertificateAsCryptoTLS: what crypto/tls loads has no problem of form, and what it
// does not load has one.
func TestCertificateAsCryptoTLS(t *testing.T) {
	ec, ok := newKey(t).(*ecdsa.PrivateKey)
	require.True(t, ok)
	id := issue(t, nil, ec, nil)
	sec1, err := x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ec)
	require.NoError(t, err)
	cert, block := certPEM(id), func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	both := append(slices.Clone(cert), keyPEM(t, ec)...)
	for name, pair := range map[string][2][]byte{
		"SEC 1":                        {cert, block("EC PRIVATE KEY", sec1)},
		"with parameters":              {cert, append(block("EC PARAMETERS", []byte{6, 0}), block("EC PRIVATE KEY", sec1)...)},
		"another type":                 {cert, block("RSA PRIVATE KEY", pkcs8)},
		"SEC 1 as PKCS #8":             {cert, block("PRIVATE KEY", sec1)},
		"one file for both":            {both, both},
		"text around":                  {append([]byte("subject=tls.example\n"), cert...), append([]byte("a key\n"), keyPEM(t, ec)...)},
		"nothing":                      {nil, nil},
		"another key":                  {cert, keyPEM(t, newKey(t))},
		"a cut key":                    {cert, block("PRIVATE KEY", pkcs8[:len(pkcs8)-1])},
		"bytes after the key":          {cert, block("PRIVATE KEY", append(slices.Clone(pkcs8), 0))},
		"a cut certificate":            {cert[:len(cert)-40], keyPEM(t, ec)},
		"a damaged second certificate": {append(slices.Clone(cert), block("CERTIFICATE", []byte{1})...), keyPEM(t, ec)},
	} {
		_, err := tls.X509KeyPair(pair[0], pair[1])
		problems := texts(check(t, pair[0], pair[1]), preflight.Problem)
		if err != nil {
			assert.NotEmpty(t, problems, "%s: %v", name, err)
		} else if name != "a damaged second certificate" { // clients may reject it
			assert.Empty(t, problems, name)
		}
	}
}

func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	var r preflight.Report
	r.Certificate(filepath.Join(dir, "none.pem"), dir, now)
	require.Len(t, texts(r, preflight.Problem), 2)
	assert.Contains(t, texts(r, preflight.Problem)[0], "none.pem: no such file or directory -> check the name")
	assert.Contains(t, texts(r, preflight.Problem)[1], "is not a regular file")

	id := issue(t, nil, newKey(t), nil)
	key := filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(key, keyPEM(t, id.key), 0o644))
	r = nil
	r.Certificate("", key, now)
	require.Len(t, texts(r, preflight.Warning), 1)
	assert.Contains(t, texts(r, preflight.Warning)[0], "all users of this machine can read it -> chmod 600")
}

func TestSelfSigned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	says := func() string {
		var r preflight.Report
		r.SelfSigned("certificate", filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"), time.Now())
		require.Len(t, r, 1)
		return r[0].Level.String() + " " + r[0].Text
	}
	assert.Equal(t, "ok a self-signed certificate for localhost will be created", says())
	_, key, err := listen.SelfSigned(dir)
	require.NoError(t, err)
	assert.Contains(t, says(), "server.pem: self-signed, for localhost")
	require.NoError(t, os.WriteFile(key, []byte("nonsense"), 0o600))
	assert.Contains(t, says(), "problem the certificate of an earlier run")
}
