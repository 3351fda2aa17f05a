package listen_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/listen"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// certificate returns the files of a self-signed certificate.
func certificate(t testing.TB) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile, err := listen.SelfSigned(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	return certFile, keyFile
}

func TestSelfSigned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	certFile, keyFile, err := listen.SelfSigned(dir)
	require.NoError(t, err)
	info, err := os.Stat(keyFile)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		assert.NoError(t, pair.Leaf.VerifyHostname(name))
	}

	_, _, err = listen.SelfSigned(dir)
	require.NoError(t, err)
	again, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	assert.Equal(t, pair.Certificate, again.Certificate, "it is kept")

	require.NoError(t, os.WriteFile(keyFile, []byte("nonsense"), 0o600))
	_, _, err = listen.SelfSigned(dir)
	assert.ErrorContains(t, err, "reading the certificate of an earlier run; remove "+certFile+" and "+keyFile)
}

// TestCertificateIsReloaded replaces the files while clients connect.
func TestCertificateIsReloaded(t *testing.T) {
	certFile, keyFile := certificate(t)
	files := &listen.CertificateFiles{Cert: certFile, Key: keyFile}
	require.NoError(t, files.Load())
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: files.GetCertificate})
	require.NoError(t, err)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer ln.Close()
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				assert.NoError(t, c.(*tls.Conn).Handshake())
			})
		}
	})
	serial := func() string {
		c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := serial()

	newCert, newKey := certificate(t)
	require.NoError(t, os.WriteFile(certFile, []byte(read(t, newCert)), 0o600))
	time.Sleep(1100 * time.Millisecond)
	assert.Equal(t, first, serial(), "the new certificate has no key yet")
	require.NoError(t, os.WriteFile(keyFile, []byte(read(t, newKey)), 0o600))
	var second string
	assert.Eventually(t, func() bool { second = serial(); return second != first }, 5*time.Second, 50*time.Millisecond)

	require.NoError(t, os.Remove(keyFile))
	time.Sleep(1100 * time.Millisecond)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { assert.Equal(t, second, serial()) })
	}
	wg.Wait()
	assert.ErrorContains(t, files.Load(), "reading certificate "+certFile+" and key "+keyFile)
}

// TestCertificateThatIsBeingWritten reads the files while they change. It has a fake
// clock.
func TestCertificateThatIsBeingWritten(t *testing.T) {
	oldCert, oldKey := certificate(t)
	newCert, newKey := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		files := &listen.CertificateFiles{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
		write := func(path, text string) {
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			require.NoError(t, os.Chtimes(path, time.Now(), time.Now()))
		}
		chain := func() int {
			pair, err := files.GetCertificate(nil)
			require.NoError(t, err)
			return len(pair.Certificate)
		}
		write(files.Cert, read(t, oldCert))
		write(files.Key, read(t, oldKey))
		require.NoError(t, files.Load(), "at once")
		assert.Equal(t, 1, chain())

		time.Sleep(time.Minute)
		whole := read(t, newCert) + read(t, oldCert) + read(t, oldCert)
		write(files.Key, read(t, newKey))
		write(files.Cert, whole[:len(whole)-100])
		assert.Equal(t, 1, chain(), "the last certificate is half written")
		time.Sleep(500 * time.Millisecond)
		write(files.Cert, whole)
		time.Sleep(800 * time.Millisecond)
		assert.Equal(t, 1, chain(), "there may be more to come")
		time.Sleep(2 * time.Second)
		assert.Equal(t, 3, chain())
	})
}

// TestCertificateWarnings: the certificate has expired, and everybody can read the
// key.
func TestCertificateWarnings(t *testing.T) {
	certFile, keyFile := certificate(t)
	load := func() string {
		var said bytes.Buffer
		files := &listen.CertificateFiles{Cert: certFile, Key: keyFile, Log: slog.New(slog.NewTextHandler(&said, nil))}
		require.NoError(t, files.Load())
		return said.String()
	}
	assert.Empty(t, load())
	require.NoError(t, os.Chmod(keyFile, 0o644))
	assert.Contains(t, load(), "all users of this machine can read the key")
	require.NoError(t, os.Chmod(keyFile, 0o640))
	assert.Empty(t, load(), "a group may be there for it")

	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	pair.Leaf.NotAfter = time.Now().Add(-time.Minute)
	der, err := x509.CreateCertificate(rand.Reader, pair.Leaf, pair.Leaf, pair.Leaf.PublicKey, pair.PrivateKey)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	assert.Contains(t, load(), "the certificate has expired")
}
