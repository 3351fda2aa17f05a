package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProxyEndsAnswers: an answer that has no end is cut off at the end of --grace, and has a
// line in the access log.
func TestProxyEndsAnswers(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first line\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer backend.Close()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}
	h3 := &http3.Transport{TLSClientConfig: config}
	defer h3.Close()
	dir := t.TempDir()
	access := filepath.Join(dir, "access.log")
	s := frontWith(t, proxyCommand, io.Discard, "--state-dir", dir, "--to", backend.URL, "--access-log", access, "--grace", "300ms")
	for _, transport := range []http.RoundTripper{
		&http.Transport{TLSClientConfig: config}, &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}, h3,
	} {
		res, err := (&http.Client{Transport: transport}).Get("https://" + s.addr + "/endless")
		require.NoError(t, err)
		defer res.Body.Close()
		line, err := bufio.NewReader(res.Body).ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "first line\n", line)
	}
	require.NoError(t, s.stop())
	text, err := os.ReadFile(access)
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(string(text), "msg=request"), "%s", text)
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"} {
		assert.Regexp(t, `uri=/endless proto=`+proto+` status=200 sent=11 .*aborted=true`, string(text))
	}
}
