package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestServeTrustsHeader: the answer has the JA4 that a proxy passes on, if that is a
// trusted one.
func TestServeTrustsHeader(t *testing.T) {
	const ja4 = "t13d1516h2_8daaf6152771_b186095e22b6"
	for proxies, want := range map[string]string{"127.0.0.1": ja4, "192.0.2.0/24": ""} {
		ctx, stop := context.WithCancel(t.Context())
		said, stderr := io.Pipe()
		served := make(chan error, 1)
		go func() {
			cmd := serveCommand()
			cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--http3=false", "--state-dir", t.TempDir(), "--trusted-proxies", proxies, "--trust-header", "Cf-Ja4"})
			cmd.SetErr(stderr)
			served <- cmd.ExecuteContext(ctx)
			stderr.Close()
		}()
		r := bufio.NewReader(said)
		first, err := r.ReadString('\n')
		require.NoError(t, err)
		go io.Copy(io.Discard, r)

		req, err := http.NewRequest("GET", "https://"+strings.TrimSuffix(strings.Fields(first)[2], ";")+"/json", nil)
		require.NoError(t, err)
		req.Header.Set("CF-JA4", ja4)
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		resp, err := client.Do(req)
		require.NoError(t, err)
		var answer struct {
			JA4      string `json:"ja4"`
			FrontJA4 struct {
				Header string `json:"header"`
				JA4    string `json:"ja4"`
			} `json:"front_ja4"`
		}
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer))
		resp.Body.Close()
		client.CloseIdleConnections()
		assert.Equal(t, want, answer.FrontJA4.JA4)
		assert.Equal(t, want != "", answer.FrontJA4.Header == "Cf-Ja4")
		assert.NotEqual(t, ja4, answer.JA4)
		stop()
		require.NoError(t, <-served)
	}
}
