package proxy_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/server/proxy"
)

// TestPassShutdownKeepsTheReason: a connection that has no route is told as such, also when the
// end comes before its client has closed it.
func TestPassShutdownKeepsTheReason(t *testing.T) {
	p := &proxy.Pass{Routes: []proxy.PassRoute{{Name: "shop.example", To: "127.0.0.1:1"}}}
	pt := servePass(t, p, nil)
	c, err := net.Dial("tcp", pt.addr)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write(curlHello(t))
	require.NoError(t, err)
	alert := make([]byte, 7)
	_, err = io.ReadFull(c, alert)
	require.NoError(t, err)
	assert.Equal(t, byte(112), alert[6])
	assert.NoError(t, p.Shutdown(context.Background()))
	assert.ErrorIs(t, pt.wait(t, 1)[0].Err, proxy.ErrNoRoute)
}
