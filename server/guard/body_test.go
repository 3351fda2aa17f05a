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

// TestRefusedBody: who is refused gets the answer without the body that it has announced,
// which may never come, and its connection is closed after that.
func TestRefusedBody(t *testing.T) {
	s := serve(t, always(t, "rules: [{name: rule, when: 'request.method == \"POST\"', do: deny}]"))
	conn, err := tls.Dial("tcp", s.tcp, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	r := bufio.NewReader(conn)
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"} {
		_, err = io.WriteString(conn, request)
		require.NoError(t, err)
		resp, err := http.ReadResponse(r, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		assert.Equal(t, request[:4] == "POST", resp.Close)
		assert.Equal(t, request[:4] == "POST", resp.StatusCode == http.StatusForbidden)
	}
}
