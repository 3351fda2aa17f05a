//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// A load is work for a proxy, n times in a round.
type load struct {
	name     string
	protocol string
	n        int
	run      func(b *bench, p *proxy, l load, n int) error
	resumed  bool
	down, up int // bytes
}

const (
	kilobyte = 1000
	bulk     = 100_000_000
)

var loads = []load{
	{"new connection, http/1.1", "http/1.1", 400, connections, false, kilobyte, 0},
	{"new connection, h2", "h2", 400, connections, false, kilobyte, 0},
	{"resumed connection, http/1.1", "http/1.1", 400, connections, true, kilobyte, 0},
	{"resumed connection, h2", "h2", 400, connections, true, kilobyte, 0},
	{"1 KB, keep-alive, http/1.1", "http/1.1", 5000, requests, false, kilobyte, 0},
	{"1 KB, keep-alive, h2", "h2", 5000, requests, false, kilobyte, 0},
	{"100 MB down, http/1.1", "http/1.1", 4, requests, false, bulk, 0},
	{"100 MB down, h2", "h2", 3, requests, false, bulk, 0},
	{"100 MB up, http/1.1", "http/1.1", 4, requests, false, 0, bulk},
	{"100 MB up, h2", "h2", 3, requests, false, 0, bulk},
}

// measure returns the CPU time that p takes for n times the load.
func (b *bench) measure(p *proxy, l load, n int) (time.Duration, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if err := l.run(b, p, l, n); err != nil {
		return 0, err
	}
	// What the proxy does after the last answer is part of it.
	time.Sleep(20 * time.Millisecond)
	after, err := p.cpu()
	return after - before, err
}

// workers runs work n times, by as many goroutines as a proxy is busy with.
func workers(count, n int, work func(worker, times int) error) error {
	count = min(count, n)
	errs := make(chan error, count)
	for i := range count {
		times := n / count
		if i < n%count {
			times++
		}
		go func() { errs <- work(i, times) }()
	}
	var failed error
	for range count {
		if err := <-errs; err != nil {
			failed = err
		}
	}
	return failed
}

// connections opens one for each request.
func connections(b *bench, p *proxy, l load, n int) error {
	return workers(2, n, func(_, times int) error {
		config := b.config(l.protocol)
		if l.resumed {
			config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
			times++ // the first one is in full
		}
		for i := range times {
			c, err := b.dial(p, config)
			if err != nil {
				return err
			}
			if resumed := c.tls.ConnectionState().DidResume; resumed != (l.resumed && i > 0) {
				return fmt.Errorf("the connection is resumed: %v", resumed)
			}
			if err := c.ask(l, b); err != nil {
				return err
			}
			c.tls.Close()
		}
		return nil
	})
}

// requests sends all over a few connections. Bulk is sent one after the other.
func requests(b *bench, p *proxy, l load, n int) error {
	conns, streams := 4, 1
	switch {
	case max(l.down, l.up) > 1_000_000:
		conns = 1
	case l.protocol == "h2":
		conns, streams = 2, 4
	}
	open := make([]*conn, conns)
	for i := range open {
		c, err := b.dial(p, b.config(l.protocol))
		if err != nil {
			return err
		}
		defer c.tls.Close()
		if err := c.ask(load{down: kilobyte}, b); err != nil { // later ones find the connection in use
			return err
		}
		open[i] = c
	}
	return workers(conns*streams, n, func(worker, times int) error {
		for range times {
			if err := open[worker%conns].ask(l, b); err != nil {
				return err
			}
		}
		return nil
	})
}

// idleMemory returns the bytes that a connection takes after a request.
func (b *bench) idleMemory(i int, protocol string) (float64, error) {
	const count = 2000
	p, err := b.start(i)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	l := load{protocol: protocol, down: kilobyte}
	var mu sync.Mutex
	var open []*conn
	defer func() {
		for _, c := range open {
			c.tls.Close()
		}
	}()
	dial := func(n int) error {
		return workers(2, n, func(_, times int) error {
			for range times {
				c, err := b.dial(p, b.config(protocol))
				if err != nil {
					return err
				}
				mu.Lock()
				open = append(open, c)
				mu.Unlock()
				if err := c.ask(l, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := dial(20); err != nil {
		return 0, err
	}
	before, err := p.resident()
	if err != nil {
		return 0, err
	}
	if err := dial(count); err != nil {
		return 0, err
	}
	time.Sleep(time.Second)
	after, err := p.resident()
	return (after - before) / count, err
}

// A conn is a client's.
type conn struct {
	tls *tls.Conn
	r   *bufio.Reader
	h2  *http.Transport // of this connection alone
}

func (b *bench) dial(p *proxy, config *tls.Config) (*conn, error) {
	t, err := tls.Dial("tcp", p.addr, config)
	if err != nil {
		return nil, err
	}
	c := &conn{tls: t}
	if got := t.ConnectionState().NegotiatedProtocol; got != config.NextProtos[0] {
		return nil, fmt.Errorf("the protocol is %s", got)
	}
	if config.NextProtos[0] == "h2" {
		transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true,
			HTTP2:          &http.HTTP2Config{MaxReadFrameSize: 1 << 16},
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return t, nil }}
		transport.Protocols.SetHTTP2(true)
		c.h2 = transport
		return c, nil
	}
	c.r = bufio.NewReaderSize(t, 1<<16)
	return c, nil
}

// ask sends a request, and reads the answer.
func (c *conn) ask(l load, b *bench) error {
	method := "GET"
	var body io.Reader
	if l.up > 0 {
		method, body = "POST", io.LimitReader(&zeros{b.block}, int64(l.up))
	}
	req, err := http.NewRequest(method, fmt.Sprintf("https://localhost/%d", l.down), body)
	if err != nil {
		return err
	}
	req.ContentLength = int64(l.up)
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36")
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Accept-Encoding", "gzip, deflate, br")
	req.Host = "localhost:" + portOf(c)
	var res *http.Response
	if c.h2 != nil {
		res, err = c.h2.RoundTrip(req)
	} else {
		w := bufio.NewWriterSize(c.tls, 1<<16)
		if err := req.Write(w); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		res, err = http.ReadResponse(c.r, req)
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && (res.StatusCode != 200 || n != int64(l.down)) {
		err = fmt.Errorf("status %d, %d bytes", res.StatusCode, n)
	}
	return err
}

func portOf(c *conn) string {
	addr := c.tls.RemoteAddr().String()
	return addr[bytes.LastIndexByte([]byte(addr), ':')+1:]
}

// zeros is a body without an end.
type zeros struct{ block []byte }

func (z *zeros) Read(p []byte) (int, error) { return copy(p, z.block), nil }
