package listen

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/tlspeek/tlspeek/internal/atomicfile"
)

// selfSignedLifetime is the longest lifetime of a certificate that browsers
// accept.
const selfSignedLifetime = 397 * 24 * time.Hour

// SelfSigned returns the paths of a certificate for localhost and its key in dir,
// server.pem and server.key. It makes them, and dir with mode 0700, if they do not
// exist or have expired. The key has mode 0600.
func SelfSigned(dir string) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	unreadable := new(fs.PathError)
	switch {
	case err == nil && time.Now().Before(pair.Leaf.NotAfter):
		return certFile, keyFile, nil
	case err == nil || errors.Is(err, fs.ErrNotExist):
	case errors.As(err, &unreadable):
		return "", "", err
	default:
		return "", "", fmt.Errorf("reading the certificate of an earlier run; remove %s and %s to have a new one: %w", certFile, keyFile, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	cert, key, err := selfSign(time.Now())
	if err != nil {
		return "", "", fmt.Errorf("making a certificate: %w", err)
	}
	if err := writePEM(keyFile, 0o600, "PRIVATE KEY", key); err != nil {
		return "", "", err
	}
	if err := writePEM(certFile, 0o644, "CERTIFICATE", cert); err != nil {
		return "", "", err
	}
	return certFile, keyFile, nil
}

func selfSign(now time.Time) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial.Add(serial, big.NewInt(1)),
		Subject:               pkix.Name{CommonName: "localhost", Organization: []string{"tlspeek, self-signed"}},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(selfSignedLifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if cert, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private); err != nil {
		return nil, nil, err
	}
	key, err = x509.MarshalPKCS8PrivateKey(private)
	return cert, key, err
}

func writePEM(path string, mode fs.FileMode, kind string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return atomicfile.Write(path, mode, func(w *bufio.Writer) { w.Write(text) })
}
