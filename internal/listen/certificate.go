package listen

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// CertificateFiles is a certificate that is read again when its files change.
// As long as they do not belong together the one before stays.
type CertificateFiles struct {
	Cert, Key string       // paths of PEM files
	Log       *slog.Logger // nil is for silence

	pair    atomic.Pointer[tls.Certificate]
	checked atomic.Int64 // Unix time
	mu      sync.Mutex   // guards what follows, and reading
	stamp   [2]stamp
}

// A stamp is how a change of a file is known.
type stamp struct {
	time time.Time
	size int64
}

// younger reports whether the change was within the last d. One in the future
// is no reason to wait for it.
func (s stamp) younger(d time.Duration) bool {
	age := time.Since(s.time)
	return 0 <= age && age < d
}

// checkEvery is how often the files are looked at, in seconds, and settleTime
// how long they are left alone after a change: half a chain is a certificate,
// too, but one that clients do not take.
const (
	checkEvery = 1
	settleTime = time.Second
)

// Load reads the files.
func (c *CertificateFiles) Load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load(0)
}

// load reads the files if they have changed, and not within the time settled.
func (c *CertificateFiles) load(settled time.Duration) error {
	now, err := c.stamps()
	if err == nil && (now == c.stamp || now[0].younger(settled) || now[1].younger(settled)) {
		return nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.Cert, c.Key)
	}
	if err != nil {
		return fmt.Errorf("reading certificate %s and key %s: %w", c.Cert, c.Key, err)
	}
	// Had one of them changed meanwhile, the next look finds it.
	c.stamp = now
	c.pair.Store(&pair)
	c.warn(&pair)
	return nil
}

// warn logs what clients, or those who run the server, will not like.
func (c *CertificateFiles) warn(pair *tls.Certificate) {
	if c.Log == nil {
		return
	}
	if leaf := pair.Leaf; leaf != nil && time.Now().After(leaf.NotAfter) {
		c.Log.Warn("the certificate has expired: clients will not take it", "cert", c.Cert, "expired", leaf.NotAfter)
	}
	if info, err := os.Stat(c.Key); err == nil && info.Mode().Perm()&0o004 != 0 {
		c.Log.Warn("all users of this machine can read the key: chmod 600 it", "key", c.Key)
	}
}

func (c *CertificateFiles) stamps() (s [2]stamp, err error) {
	for i, path := range [...]string{c.Cert, c.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return s, err
		}
		s[i] = stamp{info.ModTime(), info.Size()}
	}
	return s, nil
}

// GetCertificate is for [tls.Config.GetCertificate].
func (c *CertificateFiles) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now, before := time.Now().Unix(), c.checked.Load()
	if now-before >= checkEvery && c.checked.CompareAndSwap(before, now) && c.mu.TryLock() {
		if err := c.load(settleTime); err != nil && c.Log != nil {
			c.Log.Error("reading the certificate again", "error", err)
		}
		c.mu.Unlock()
	}
	if pair := c.pair.Load(); pair != nil {
		return pair, nil
	}
	return nil, fmt.Errorf("no certificate was read from %s", c.Cert)
}
