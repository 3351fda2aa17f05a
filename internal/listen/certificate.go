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

// CertificateFiles is a certificate that is read again when its files change. The
// one before stays in use until both files belong together. It is safe for use by
// several goroutines once its fields are set.
type CertificateFiles struct {
	Cert, Key string       // paths of PEM files
	Log       *slog.Logger // nil discards messages

	pair    atomic.Pointer[tls.Certificate]
	checked atomic.Int64 // Unix time
	mu      sync.Mutex   // guards what follows, and reading
	stamp   [2]stamp
}

// A stamp tells the versions of a file apart.
type stamp struct {
	time time.Time
	size int64
}

// changedWithin reports whether the file changed within the last d. A time in the
// future does not count: it may be far off.
func (s stamp) changedWithin(d time.Duration) bool {
	age := time.Since(s.time)
	return 0 <= age && age < d
}

// checkInterval is how often the files are checked, in seconds. settleTime is how
// long they are left alone after a change: half a chain is a valid file too, but
// clients reject it.
const (
	checkInterval = 1
	settleTime    = time.Second
)

// Load reads the files. It logs a warning if the certificate has expired or all
// users can read the key. An error names both files.
func (c *CertificateFiles) Load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load(0)
}

// load reads the files if they have changed, but not within the last settled.
func (c *CertificateFiles) load(settled time.Duration) error {
	now, err := c.stamps()
	if err == nil && (now == c.stamp || now[0].changedWithin(settled) || now[1].changedWithin(settled)) {
		return nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.Cert, c.Key)
	}
	if err != nil {
		return fmt.Errorf("reading certificate %s and key %s: %w", c.Cert, c.Key, err)
	}
	// If one has changed meanwhile, the next check finds it.
	c.stamp = now
	c.pair.Store(&pair)
	c.warn(&pair)
	return nil
}

// warn logs what clients or the operator will not like.
func (c *CertificateFiles) warn(pair *tls.Certificate) {
	if c.Log == nil {
		return
	}
	if leaf := pair.Leaf; leaf != nil && time.Now().After(leaf.NotAfter) {
		c.Log.Warn("the certificate has expired: clients will reject it", "cert", c.Cert, "expired", leaf.NotAfter)
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

// GetCertificate is for [tls.Config.GetCertificate]. Once a second one call checks
// the files and reads those that have changed; the others do not wait for it. It
// logs the error of reading, and returns the certificate of before.
func (c *CertificateFiles) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now, before := time.Now().Unix(), c.checked.Load()
	if now-before >= checkInterval && c.checked.CompareAndSwap(before, now) && c.mu.TryLock() {
		if err := c.load(settleTime); err != nil && c.Log != nil {
			c.Log.Error("reloading the certificate", "error", err)
		}
		c.mu.Unlock()
	}
	if pair := c.pair.Load(); pair != nil {
		return pair, nil
	}
	return nil, fmt.Errorf("no certificate was read from %s", c.Cert)
}
