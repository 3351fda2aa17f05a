package fingerprint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/fingerprint"
)

// TestTarget: what a first request asks for, once it is read; of a long path the
// beginning.
func TestTarget(t *testing.T) {
	long := "/" + strings.Repeat("x", 1000)
	var block strings.Builder
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "a.example"}, {":path", long}} {
		require.NoError(t, enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	sent := append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), join(frame(4, 0, 0), frame(1, 4, 1, []byte(block.String())...))...)
	var p fingerprint.HTTP2
	_, err := p.Write(sent[:len(sent)-1])
	require.NoError(t, err)
	method, authority, path := p.Target()
	assert.Equal(t, [3]string{}, [3]string{method, authority, path})
	_, err = p.Write(sent[len(sent)-1:])
	require.NoError(t, err)
	method, authority, path = p.Target()
	assert.Equal(t, [3]string{"POST", "a.example", long[:fingerprint.MaxHTTP2Field]}, [3]string{method, authority, path})

	request := header3("m", literal3(true, ":authority", "a.example"), literal3(false, ":path", long))
	var r fingerprint.HTTP3Request
	_, err = r.Parse(request)
	require.NoError(t, err)
	method, authority, path = r.Target()
	assert.Equal(t, [3]string{"", "a.example", long[:fingerprint.MaxHTTP2Field]}, [3]string{method, authority, path})
	_, err = r.Parse(header3("mp"))
	require.NoError(t, err)
	method, authority, path = r.Target()
	assert.Equal(t, [3]string{"", "", "/"}, [3]string{method, authority, path})
}
