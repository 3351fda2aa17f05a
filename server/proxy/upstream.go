package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxIdleConns    = 256              // to one backend
	idleTime        = 30 * time.Second // for which a connection to a backend is kept
	continueTime    = time.Second      // for a backend to ask for a body that is announced by Expect
	pingAfter       = 30 * time.Second // without a frame of a backend over HTTP/2
	pingTime        = 15 * time.Second
	maxAnswerHeader = 256 << 10
	keepAlivePeriod = 30 * time.Second
)

// An upstream has the connections to a backend.
type upstream struct {
	transport *http.Transport
	upgrades  *http.Transport // for WebSockets: HTTP/1.1
}

func newUpstream(b *Backend, p *Reverse) *upstream {
	u := &upstream{transport: newTransport(b, p)}
	u.upgrades = u.transport
	if b.h2c {
		http1 := *b
		http1.h2c = false
		u.upgrades = newTransport(&http1, p)
	}
	return u
}

func newTransport(b *Backend, p *Reverse) *http.Transport {
	connect := max(0, p.connect)
	dialer := &net.Dialer{Timeout: connect, KeepAlive: keepAlivePeriod}
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			dialed, err := beginDial(ctx)
			if err != nil {
				return nil, err
			}
			defer dialed()
			conn, err := dialer.DialContext(ctx, b.network, b.address)
			if err != nil || b.h2c {
				return conn, err
			}
			return newBackendConn(conn), nil
		},
		TLSHandshakeTimeout:    connect,
		ResponseHeaderTimeout:  max(0, p.answer),
		ExpectContinueTimeout:  continueTime,
		MaxResponseHeaderBytes: maxAnswerHeader,
		MaxIdleConnsPerHost:    maxIdleConns,
		IdleConnTimeout:        idleTime,
		DisableCompression:     true, // the client has said what it accepts
		Protocols:              new(http.Protocols),
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTime, WriteByteTimeout: max(0, p.stall)},
	}
	switch {
	case b.h2c:
		t.Protocols.SetUnencryptedHTTP2(true)
	case b.scheme == "https":
		t.Protocols.SetHTTP1(true)
		t.Protocols.SetHTTP2(true)
		t.TLSClientConfig = new(tls.Config)
		if p.TLS != nil {
			t.TLSClientConfig = p.TLS.Clone()
		}
		if t.TLSClientConfig.ClientSessionCache == nil {
			t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		}
	default:
		t.Protocols.SetHTTP1(true)
	}
	return t
}

func (u *upstream) closeIdle() {
	u.transport.CloseIdleConnections()
	u.upgrades.CloseIdleConnections()
}

// A roundTripper sends the request of an exchange to its backend.
type roundTripper struct{}

func (roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	x := r.Context().Value(exchangeKey{}).(*exchange)
	if x.websocket {
		return x.roundTrip(x.to.upgrades, r)
	}
	return x.roundTrip(x.to.transport, r)
}

// buffers has what bodies are copied with.
type buffers struct{ pool sync.Pool }

// bufferSize is how much is copied at once.
const bufferSize = 32 << 10

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return make([]byte, bufferSize)
}

func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }
