package server_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/server"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func TestRotatingFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hellos.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("before\n"), 0o600))
	f := &server.RotatingFile{Path: path, MaxSize: 10, SyncEvery: -1}
	require.NoError(t, f.Open())
	for _, line := range []string{"1\n", "2\n", "longer than the limit\n", "3\n"} {
		n, err := f.Write([]byte(line))
		require.NoError(t, err)
		assert.Equal(t, len(line), n)
	}
	require.NoError(t, f.Close())
	old, err := filepath.Glob(path + ".*Z")
	require.NoError(t, err)
	require.Len(t, old, 3)
	assert.Equal(t, "before\n1\n", read(t, old[0]))
	assert.Equal(t, "2\n", read(t, old[1]))
	assert.Equal(t, "longer than the limit\n", read(t, old[2]))
	assert.Equal(t, "3\n", read(t, path))

	_, err = f.Write([]byte("4\n"))
	require.NoError(t, err, "it opens again")
	require.NoError(t, f.Close())
	assert.Equal(t, "3\n4\n", read(t, path))
}

func TestRotatingFileByAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hellos.jsonl")
	f := &server.RotatingFile{Path: path, MaxAge: time.Millisecond, SyncEvery: time.Microsecond}
	defer f.Close()
	_, err := f.Write([]byte("1\n"))
	require.NoError(t, err)
	time.Sleep(2 * time.Millisecond)
	_, err = f.Write([]byte("2\n"))
	require.NoError(t, err)
	assert.Equal(t, "2\n", read(t, path))
	assert.Error(t, (&server.RotatingFile{Path: filepath.Join(path, "x")}).Open())
}

// TestRotatingFileKeepsLinesWhole has no room for the second line for a while.
func TestRotatingFileKeepsLinesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hellos.jsonl")
	require.NoError(t, os.WriteFile(path, []byte("{\"half"), 0o600))
	f := &server.RotatingFile{Path: path}
	defer f.Close()
	require.NoError(t, f.Open())
	write := func(line string) (int, error) { return f.Write([]byte(line)) }
	_, err := write("one\n")
	require.NoError(t, err)

	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 15, Max: before.Max}))
	n, err := write("too long\n")
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	assert.ErrorIs(t, err, syscall.EFBIG)
	assert.Zero(t, n)

	_, err = write("two\n")
	require.NoError(t, err)
	assert.Equal(t, "{\"half\none\ntwo\n", read(t, path))
}

// TestCertificateIsReloaded replaces the files while clients shake hands.
func TestCertificateIsReloaded(t *testing.T) {
	certFile, keyFile := certificate(t)
	files := &server.CertificateFiles{Cert: certFile, Key: keyFile}
	require.NoError(t, files.Load())
	addr, _ := start(t, &server.Echo{TLSConfig: &tls.Config{GetCertificate: files.GetCertificate}})
	serial := func() string {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
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

// TestCertificateThatIsBeingWritten looks while its files are changed. The
// clock is the test's own.
func TestCertificateThatIsBeingWritten(t *testing.T) {
	oldCert, oldKey := certificate(t)
	newCert, newKey := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		files := &server.CertificateFiles{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
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

// TestCertificateWarnings has a certificate that no client takes, and a key that
// anybody may read.
func TestCertificateWarnings(t *testing.T) {
	certFile, keyFile := certificate(t)
	load := func() string {
		var said bytes.Buffer
		files := &server.CertificateFiles{Cert: certFile, Key: keyFile, Log: slog.New(slog.NewTextHandler(&said, nil))}
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
