package proxy_test

import (
	"crypto/sha256"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLargeBodiesAreNotHeld: 48 MiB pass in each direction, unchanged, and the process,
// which is also client and backend, needs a part of it at once: what is not collected yet counts, too.
func TestLargeBodiesAreNotHeld(t *testing.T) {
	const size = 48 << 20
	for _, scheme := range []string{"http", "h2c"} {
		got := make(chan []byte, 1)
		f := through(t, scheme, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				h := sha256.New()
				_, err := io.Copy(h, r.Body)
				assert.NoError(t, err)
				assert.Equal(t, r.URL.Path == "/length", r.ContentLength == size)
				got <- h.Sum(nil)
			default:
				if r.URL.Path == "/length" {
					w.Header().Set("Content-Length", strconv.Itoa(size))
				}
				_, _ = io.Copy(w, random(size))
			}
		}))
		want := sha256.New()
		_, err := io.Copy(want, random(size))
		require.NoError(t, err)
		for _, version := range []string{"h1", "h2"} {
			for _, path := range []string{"/length", "/chunked"} {
				t.Run(version+" to "+scheme+path, func(t *testing.T) {
					peak := peakHeap(t, func() {
						req, err := http.NewRequest("POST", f.url(version)+path, random(size))
						require.NoError(t, err)
						if path == "/length" {
							req.ContentLength = size
						}
						resp, err := f.client(version).Do(req)
						require.NoError(t, err)
						resp.Body.Close()
						assert.Equal(t, want.Sum(nil), <-got)
						resp, err = f.client(version).Get(f.url(version) + path)
						require.NoError(t, err)
						defer resp.Body.Close()
						assert.Equal(t, path == "/length", resp.ContentLength == size)
						assert.Equal(t, want.Sum(nil), sumOf(t, resp.Body))
					})
					assert.Less(t, peak, uint64(size*2/3))
				})
			}
		}
	}
}

func sumOf(t *testing.T, r io.Reader) []byte {
	var h hash.Hash = sha256.New()
	_, err := io.Copy(h, r)
	require.NoError(t, err)
	return h.Sum(nil)
}

// random returns size bytes, the same each time.
func random(size int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), size) }

// peakHeap returns how much more memory was in use while f ran.
func peakHeap(t *testing.T, f func()) (peak uint64) {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.HeapInuse
	done := make(chan bool)
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse-min(before, m.HeapInuse))
				time.Sleep(5 * time.Millisecond)
			}
		}
	})
	f()
	close(done)
	watching.Wait()
	return peak
}
