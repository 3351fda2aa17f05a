package server_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"sync"
	"testing"
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
