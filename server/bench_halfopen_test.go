package server_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// longHello returns a hello of size bytes in records of n bytes. It has no
// extensions, but zeros in their place: crypto/tls answers with an alert.
func longHello(size, n int) []byte {
	body := hellotest.Message(0x0303, nil)
	message := append([]byte{1, byte((size - 4) >> 16), byte((size - 4) >> 8), byte(size - 4)}, body[4:]...)
	return records(append(message, make([]byte, size-len(message))...), n, 0x0301)
}

// BenchmarkMemory measures the memory of the server for a connection, and its ratio
// to that of a plain server. Connections have sent nothing; a hello without its last
// byte, in records of the length that the name ends with; a hello and the rest of the
// handshake; or a request.
func BenchmarkMemory(b *testing.B) {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	type open struct {
		name string
		open func(addr string) (net.Conn, error)
	}
	all := []open{{"silent", func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) }}}
	for _, size := range []int{1 << 11, 1 << 14, 1 << 16} {
		for _, n := range []int{1 << 14, 50, 1} {
			stream := longHello(size, n)
			all = append(all, open{fmt.Sprintf("%d-by-%d", size, n), func(addr string) (net.Conn, error) {
				return dialAndSend(addr, stream[:len(stream)-1])
			}})
		}
	}
	halfOpen := len(all)
	all = append(all, open{"preconnect", func(addr string) (net.Conn, error) { return tls.Dial("tcp", addr, config) }},
		open{"idle", func(addr string) (net.Conn, error) {
			conn, err := tls.Dial("tcp", addr, config)
			if err == nil {
				requests(b, conn, 1)
			}
			return conn, err
		}})
	for i, c := range all {
		for _, kind := range []string{"conn", "headers", "settled"} {
			if i > 0 && i < halfOpen && kind != "conn" { // handlers and hooks have no part in it
				continue
			}
			b.Run(c.name+"/"+kind, func(b *testing.B) {
				var perConn, ratios []float64
				for b.Loop() {
					x, y := memoryPerConn(b, "plain", c.open), memoryPerConn(b, kind, c.open)
					perConn, ratios = append(perConn, y), append(ratios, y/x)
				}
				b.ReportMetric(median(perConn), "B/conn")
				b.ReportMetric(median(ratios), "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// memoryPerConn opens 500 connections to a new server and returns the memory of one
// there.
func memoryPerConn(b *testing.B, kind string, open func(addr string) (net.Conn, error)) float64 {
	const n = 500
	p := startProcess(b, kind)
	p.figure(b, "/mem")
	before := p.figure(b, "/mem")
	for range n {
		conn, err := open(p.addr)
		require.NoError(b, err)
		defer conn.Close()
	}
	// The server has read all when it has no more work.
	for last := -1.0; ; time.Sleep(20 * time.Millisecond) {
		cpu := p.figure(b, "/cpu")
		if cpu-last < 5000 {
			break
		}
		last = cpu
	}
	return (p.figure(b, "/mem") - before) / n
}

func dialAndSend(addr string, b []byte) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_, err = c.Write(b)
	return c, err
}

// BenchmarkLongHello measures the CPU time of the server for a hello, and its ratio
// to that of a plain server. The name has the length of the hello and that of its
// records.
func BenchmarkLongHello(b *testing.B) {
	for _, c := range []struct{ size, record, n int }{
		{1 << 11, 1 << 14, 400},
		{1 << 14, 1 << 14, 200},
		{1 << 16, 1 << 14, 100},
		{1 << 16, 50, 100},
		{1 << 16, 16, 50},
		{1 << 16, 1, 20},
	} {
		stream := longHello(c.size, c.record)
		b.Run(fmt.Sprintf("%d-by-%d", c.size, c.record), func(b *testing.B) {
			benchmarkPairs(b, "plain", "conn", c.n, func(t testing.TB, addr string, n int) {
				for range n {
					conn, err := dialAndSend(addr, stream)
					require.NoError(t, err)
					answer, _ := io.ReadAll(conn)
					require.True(t, bytes.HasPrefix(answer, []byte{21}), "an alert, not %x", answer)
					conn.Close()
				}
			})
		})
	}
}
