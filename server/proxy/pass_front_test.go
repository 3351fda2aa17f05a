package proxy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// A firstWrite is a connection whose first write, the hello, is sent by send.
type firstWrite struct {
	net.Conn
	send func(conn net.Conn, hello []byte)
}

func (c *firstWrite) Write(p []byte) (int, error) {
	if c.send == nil {
		return c.Conn.Write(p)
	}
	c.send(c.Conn, p)
	c.send = nil
	return len(p), nil
}

// inRecords sends hello in records of n bytes, and each of them in a segment of its own.
func inRecords(n int) func(net.Conn, []byte) {
	return func(conn net.Conn, hello []byte) {
		for body := hello[5:]; len(body) > 0; {
			k := min(n, len(body))
			conn.Write(append([]byte{hello[0], hello[1], hello[2], byte(k >> 8), byte(k)}, body[:k]...))
			body = body[k:]
		}
	}
}

// TestPassCutHello: however the hello comes, it goes where its name says, and the backend
// gets the same bytes.
func TestPassCutHello(t *testing.T) {
	long := []string{"h2"}
	for i := range 150 {
		long = append(long, fmt.Sprintf("%090d", i))
	}
	for name, c := range map[string]struct {
		protocols []string
		send      func(net.Conn, []byte)
	}{
		"segments of one byte": {send: func(conn net.Conn, hello []byte) {
			for i := range hello {
				conn.Write(hello[i : i+1])
			}
		}},
		"two segments": {send: func(conn net.Conn, hello []byte) {
			conn.Write(hello[:len(hello)-100])
			conn.Write(hello[len(hello)-100:])
		}},
		"records of 100 bytes":          {send: inRecords(100)},
		"records of one byte":           {send: inRecords(1)},
		"15 KB":                         {protocols: long},
		"15 KB, in records of 16 bytes": {protocols: long, send: inRecords(16)},
	} {
		t.Run(name, func(t *testing.T) {
			headers := make(chan *proxyproto.Header, 1)
			config := servertest.Config(t)
			config.NextProtos = []string{"h2"}
			to := tlsBackend(t, config, func(h *proxyproto.Header) { headers <- h })
			other := passBackend(t, func(net.Conn) { t.Error("the wrong backend was asked") })
			pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{Name: "shop.example", To: to}, {To: other}}}, nil)
			raw, err := net.Dial("tcp", pt.addr)
			require.NoError(t, err)
			conn := tls.Client(&firstWrite{raw, c.send}, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example", NextProtos: c.protocols})
			ask(t, conn)
			require.NoError(t, conn.Close())
			assert.NotEmpty(t, tlvsOf(t, <-headers)[0xe4])
			assert.NoError(t, pt.wait(t, 1)[0].Err)
		})
	}
}

// TestPassHalfClose: a client that has said all it has to say gets its answer.
func TestPassHalfClose(t *testing.T) {
	to := passBackend(t, func(conn net.Conn) {
		s := tls.Server(proxyproto.NewConn(conn), servertest.Config(t))
		got, err := io.ReadAll(s)
		assert.NoError(t, err)
		fmt.Fprint(s, len(got))
		s.CloseWrite()
	})
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}, nil)
	raw, err := net.Dial("tcp", pt.addr)
	require.NoError(t, err)
	defer raw.Close()
	require.NoError(t, raw.SetDeadline(time.Now().Add(20*time.Second)))
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	_, err = c.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, c.CloseWrite())
	require.NoError(t, raw.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, "1048576", string(answer))
	assert.NoError(t, pt.wait(t, 1)[0].Err)
}

// TestPassBehindProxy: the backend is told the addresses that a trusted proxy in front has
// told, in one family, and nothing else that comes from there.
func TestPassBehindProxy(t *testing.T) {
	v2 := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 5000}, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 443})
	require.NoError(t, v2.SetTLVs([]proxyproto.TLV{{Type: 0xe4, Value: []byte("forged")}, {Type: 0xe6, Value: []byte("forged")}, {Type: 0xea, Value: []byte("forged")}}))
	withTLVs, err := v2.Format()
	require.NoError(t, err)
	for name, c := range map[string]struct{ header, source, destination string }{
		"none":                   {"", "own", "own"},
		"version 1":              {"PROXY TCP4 198.51.100.7 203.0.113.1 5000 443\r\n", "198.51.100.7:5000", "203.0.113.1:443"},
		"version 1, IPv4-mapped": {"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:203.0.113.1 5000 443\r\n", "198.51.100.7:5000", "203.0.113.1:443"},
		"version 1, unknown":     {"PROXY UNKNOWN\r\n", "own", "own"},
		"version 2, with TLVs":   {string(withTLVs), "[2001:db8::7]:5000", "[2001:db8::1]:443"},
		"version 2, local":       {"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "own", "own"},
	} {
		for version, passed := range map[string]proxy.ProxyProtocol{"to 1": proxy.ProxyV1, "to 2": proxy.ProxyV2} {
			t.Run(name+" "+version, func(t *testing.T) {
				headers := make(chan *proxyproto.Header, 1)
				to := tlsBackend(t, servertest.Config(t), func(h *proxyproto.Header) { headers <- h })
				pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}, ProxyProtocol: passed}, &server.Listener{
					TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
				})
				raw, err := net.Dial("tcp", pt.addr)
				require.NoError(t, err)
				_, err = io.WriteString(raw, c.header)
				require.NoError(t, err)
				conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example"})
				ask(t, conn)
				require.NoError(t, conn.Close())
				h := <-headers
				own := func(addr string, a net.Addr) string { return strings.Replace(addr, "own", a.String(), 1) }
				assert.Equal(t, own(c.source, raw.LocalAddr()), h.SourceAddr.String())
				assert.Equal(t, own(c.destination, raw.RemoteAddr()), h.DestinationAddr.String())
				assert.True(t, h.Command.IsProxy())
				if passed == proxy.ProxyV1 {
					return
				}
				tlvs := tlvsOf(t, h)
				assert.Equal(t, "shop.example", tlvs[0x02])
				assert.Contains(t, tlvs[0xe4], "t13d")
				for _, value := range tlvs {
					assert.NotContains(t, value, "forged")
				}
			})
		}
	}
	t.Run("families that differ", func(t *testing.T) {
		pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: passBackend(t, func(net.Conn) { t.Error("a backend was asked") })}}}, &server.Listener{
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		})
		raw, err := net.Dial("tcp", pt.addr)
		require.NoError(t, err)
		defer raw.Close()
		_, err = io.WriteString(raw, "PROXY TCP6 192.0.2.42 ::1 50882 8080\r\n")
		require.NoError(t, err)
		assert.Error(t, tls.Client(raw, &tls.Config{InsecureSkipVerify: true}).Handshake())
		pt.wait(t, 1)
	})
}
