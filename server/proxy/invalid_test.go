package proxy_test

import (
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
)

// TestStatusesThatAreNone of backends are answered with 502 over each version.
func TestStatusesThatAreNone(t *testing.T) {
	for _, status := range []string{"000", "001", "099", "+99", "-10"} {
		checkStatus(t, startRaw(t, always("HTTP/1.1 "+status+" Odd\r\nContent-Length: 2\r\n\r\nok")).url, status)
	}
	for _, status := range []string{"0", "99", "099", "101", "1000", "-1"} {
		b := startRaw(t, h2Backend(nil, func(f *http2.Framer, stream uint32) bool {
			headers(f, stream, false, ":status", status)
			return f.WriteData(stream, true, []byte("ok")) == nil
		}))
		checkStatus(t, "h2c"+strings.TrimPrefix(b.url, "http"), status)
	}
}

func checkStatus(t *testing.T, url, status string) {
	t.Run(status+" of "+url[:3], func(t *testing.T) {
		var failed failures
		p := to(t, url)
		p.Failed = failed.note
		f := start(t, p)
		for _, version := range versions {
			got, text := get(t, f.client(version), f.url(version))
			assert.Equal(t, 502, got, version)
			assert.Equal(t, 1, strings.Count(text, "\n"), text)
		}
		assert.Equal(t, []string{"default answer", "default answer", "default answer"}, failed.all())
	})
}

// TestOddStatuses pass.
func TestOddStatuses(t *testing.T) {
	for _, status := range []string{"299", "599", "600", "999"} {
		f := start(t, to(t, startRaw(t, always("HTTP/1.1 "+status+" Odd\r\nContent-Length: 2\r\n\r\nok")).url))
		for _, version := range versions {
			got, text := get(t, f.client(version), f.url(version))
			assert.Equal(t, status, strconv.Itoa(got))
			assert.Equal(t, "ok", text)
		}
	}
}

// TestTrailersOfAnswersThatFrame reach no client; others do, announced or not.
func TestTrailersOfAnswersThatFrame(t *testing.T) {
	evil := []string{"content-length", "3", "transfer-encoding", "chunked", "connection", "close", "trailer", "x", "content-encoding", "gzip", "content_length", "4", "host", "x"}
	var lines strings.Builder
	for i := 0; i < len(evil); i += 2 {
		lines.WriteString(evil[i] + ": " + evil[i+1] + "\r\n")
	}
	http1 := func(announced string) string {
		return startRaw(t, always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"+announced+"\r\n2\r\nok\r\n0\r\n"+lines.String()+"Good: yes\r\n\r\n")).url
	}
	http2 := startRaw(t, h2Backend(nil, func(f *http2.Framer, stream uint32) bool {
		headers(f, stream, false, ":status", "200", "trailer", "good, content_length")
		_ = f.WriteData(stream, false, []byte("ok"))
		headers(f, stream, true, append([]string{"good", "yes", "content_length", "4", "content-encoding", "gzip"}, "content-length", "3")...)
		return true
	}))
	for name, url := range map[string]string{
		"HTTP/1.1":           http1(""),
		"announced":          http1("Trailer: Good\r\n"),
		"announced with odd": http1("Trailer: Good, Content_Length, Content-Encoding\r\n"),
		"HTTP/2":             "h2c" + strings.TrimPrefix(http2.url, "http"),
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, to(t, url))
			for _, version := range versions {
				resp, err := f.client(version).Get(f.url(version))
				require.NoError(t, err, version)
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err, version)
				resp.Body.Close()
				assert.Equal(t, "ok", string(text))
				assert.Len(t, resp.Trailer, 1, "%s: %v", version, resp.Trailer)
				assert.Equal(t, "yes", resp.Trailer.Get("Good"), version)
			}
			conn := f.dial(t)
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			require.NoError(t, err)
			text, err := io.ReadAll(conn)
			require.NoError(t, err)
			assert.True(t, strings.HasSuffix(string(text), "\r\n0\r\nGood: yes\r\n\r\n"), "%q", text)
			assert.NotContains(t, strings.ToLower(string(text)), "content_length")
		})
	}
}
