package main

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHintWithoutHello: the log says what came in the place of a hello, where that is a common
// mistake. A trusted proxy makes none.
func TestHintWithoutHello(t *testing.T) {
	const ofProxy = "a header of the PROXY protocol, from an address that is not in --trusted-proxies"
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x04\xd2\x01\xbb"
	for sent, want := range map[string]string{
		v2: ofProxy,
		"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n": ofProxy,
		"GET / HTTP/1.1\r\n\r\n":                      "HTTP without TLS",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":            "HTTP without TLS",
		"GET \r\n":                                    "",
		"GETTING x":                                   "",
		"SSH-2.0-x\r\n":                               "",
		"\r\n\r\n":                                    "",
		"":                                            "",
	} {
		assert.Equal(t, want, notTLS([]byte(sent)), "%q", sent)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, `hint="` + ofProxy + `"`},
		{[]string{"--trusted-proxies", "127.0.0.1"}, ""},
	} {
		s := frontWith(t, serveCommand, io.Discard, append(c.args, "--state-dir", t.TempDir())...)
		conn, err := net.Dial("tcp", s.addr)
		require.NoError(t, err)
		io.WriteString(conn, v2+"nonsense")
		_, _ = io.ReadAll(conn)
		conn.Close()
		require.NoError(t, s.stop())
		assert.Contains(t, s.log.String(), `msg="no hello"`)
		if c.want == "" {
			assert.NotContains(t, s.log.String(), "hint")
		} else {
			assert.Contains(t, s.log.String(), c.want)
		}
	}
}
