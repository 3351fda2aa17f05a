package guard_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRefusedBodies: a request is refused before its body has come, and the connection
// ends though that never comes.
func TestRefusedBodies(t *testing.T) {
	for name, c := range map[string]struct {
		rules  string
		status int
	}{
		"deny":  {"rules: [{name: no, when: 'true', do: deny, stage: request}]", 403},
		"limit": {"rules: [{name: slow, when: 'true', do: limit, by: [src_ip], rate: 1/h, stage: request}]", 429},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, always(t, c.rules))
			client, url := s.client(t, "HTTP/1.1")
			_, _, _, err := get(client, url) // uses up the rate
			require.NoError(t, err)
			client.CloseIdleConnections()
			conn, err := tls.Dial("tcp", s.tcp, &tls.Config{InsecureSkipVerify: true})
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
			_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
			require.NoError(t, err)
			r := bufio.NewReader(conn)
			resp, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			assert.Equal(t, c.status, resp.StatusCode)
			assert.True(t, resp.Close)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Contains(t, string(text), "reference: ")
			_, err = io.Copy(io.Discard, r)
			assert.NoError(t, err)
			require.NoError(t, s.stop())
		})
	}
}
