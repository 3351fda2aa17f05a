package server_test

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// beginnings returns what a client may send before it stops: parts of a record, of
// the records before a hello, and of those after it.
func beginnings(t testing.TB) map[string]bool {
	all := make(map[string]bool)
	add := func(parts ...string) { all[strings.Join(parts, "")] = true }
	for _, text := range []string{"", "G", "GE", "GET ", "GET /", "SSH", "SSH-", "SSH-2.0", "\r\n"} {
		add(text)
	}
	for _, digits := range []string{
		"80", "8000", "802b010301", "14", "15", "1503", "15030100", "1503010002015a", "15030100020100", "1503010002015a1503010002015a",
		"16", "1603", "160301", "16ff", "161000", "16100000", "17", "18", "ff", "00", "000000", "00000000", "16030100", "1603010000",
		"1603010001", "160301000101", "160301000102", "160301ffff", "16030140ff", "1603014801", "160301480100", "1703", "140303",
		"14030300", "140303000101",
	} {
		b, err := hex.DecodeString(digits)
		require.NoError(t, err)
		add(string(b))
	}
	// Headers of one to five bytes.
	for first := range 256 {
		add(string([]byte{byte(first)}))
		for _, rest := range []string{"\x00", "\x03", "\x03\x01", "\x03\x01\x00", "\x10\x00\x00", "\x03\x03\x00\x01", "\x03\x03\x00\x00", "\xff\xff\xff\xff"} {
			add(string([]byte{byte(first)}), rest)
		}
	}
	for _, first := range []byte{0, 'G', 20, 21, 22, 23, 24, 0x7f, 0x80, 0x81, 0xff} {
		for second := range 256 {
			add(string([]byte{first, byte(second)}))
			add(string([]byte{first, byte(second), 3, 0, 1}))
		}
		for _, third := range []byte{0, 1, 3, 4, 0xff} {
			for _, length := range []string{"\x00\x00", "\x00\x01", "\x00\x02", "\x00\x03", "\x40\x00", "\x40\x01", "\x41\x00", "\x48\x00", "\x48\x01", "\xff\xff"} {
				add(string([]byte{first, 3, third}), length[:1])
				add(string([]byte{first, 3, third}), length)
				add(string([]byte{first, 3, third}), length, "\x01")
			}
		}
	}
	// Complete records, and part of the next one.
	message := string(hellotest.Real(t)["curl-openssl-3.0"].Raw)
	hello := string(record(22, 0x0301, []byte(message)))
	other := func(typ byte, fragment string) string { return string(record(typ, 0x0303, []byte(fragment))) }
	pieces := []string{
		"", "\x16", "\x16\x03\x03\x00", "\x16\x03\x03\x00\x20", "\x17", "\x17\x03\x03\x00\x20", "\x14\x03", "\x15\x03\x03\x00\x02\x01", "\x18\x03\x03", "G", "GET /",
		other(20, "\x01"), other(20, "\x02"), other(20, ""), other(21, "\x01\x5a"), other(21, "\x02\x28"), other(21, "\x01\x00"), other(21, "\x01"), other(21, "\x01\x5a\x00"),
		other(22, ""), other(22, "\x01"), other(22, "\x02"), other(22, "\x02\x00\xff\xff"), other(22, "\x01\x00\x40\x00\x03\x03"), other(22, "\x10\x00\x00\x42"), other(22, "\x14\x00\x00\x0c"),
		other(23, ""), other(23, "\x00"), other(23, strings.Repeat("x", 60)), other(24, "\x01"),
	}
	for _, whole := range pieces {
		for _, next := range pieces {
			add(whole, next)
			add(hello, whole, next)
			add(hello, other(20, "\x01"), whole, next)
			add(string(record(22, 0x0301, []byte(message[:20]))), whole, next)
		}
	}
	add(strings.Repeat(other(21, "\x01\x5a"), 15))
	add(strings.Repeat(other(21, "\x01\x5a"), 40))
	add(hello, strings.Repeat(other(20, "\x01"), 15))
	add(hello, strings.Repeat(other(20, "\x01"), 40))
	// A hello in one record and in several, cut.
	split := string(records([]byte(message), 100, 0x0301))
	for _, stream := range []string{hello, split, hello + hello, other(20, "\x01") + hello} {
		for n := range len(stream) {
			if n < 16 || n%37 == 0 {
				add(stream[:n])
			}
		}
		add(stream)
	}
	return all
}

// retryTLS returns the configuration of a server that answers most clients with
// a HelloRetryRequest.
func retryTLS(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.CurvePreferences = []tls.CurveID{tls.CurveP521}
	return config
}

// A stop is the result for a client that has stopped.
type stop struct {
	pending  bool // crypto/tls waited for more
	received string
	closed   time.Duration
}

const stopTimeout = 3 * time.Second

// stopped has a client send a beginning to crypto/tls on a connection from ln, in
// two parts if cut is not 0, and nothing more. It calls then once everything
// waits.
func stopped(t testing.TB, ln net.Listener, pipes *servertest.Pipes, config *tls.Config, beginning string, cut int, then func(pending bool)) (s stop) {
	began := time.Now()
	var waiting atomic.Bool
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		if _, ok := conn.(*server.Conn); !ok {
			assert.NoError(t, conn.SetDeadline(began.Add(stopTimeout)))
		}
		waiting.Store(true)
		err = tls.Server(conn, config).Handshake()
		waiting.Store(false)
		assert.Error(t, err)
		// As net/http does.
		if re := (tls.RecordHeaderError{}); errors.As(err, &re) && re.Conn != nil && strings.HasPrefix(string(re.RecordHeader[:]), "GET /") {
			io.WriteString(re.Conn, "HTTP/1.0 400 Bad Request\r\n\r\n")
		}
		conn.Close()
	}()
	client := pipes.Dial()
	defer client.Close()
	ended := make(chan struct{})
	var received []byte
	go func() {
		received, _ = io.ReadAll(client)
		s.closed = time.Since(began)
		close(ended)
	}()
	go func() {
		for _, part := range []string{beginning[:cut], beginning[cut:]} {
			if part != "" {
				io.WriteString(client, part)
			}
		}
	}()
	synctest.Wait()
	s.pending = waiting.Load()
	if then != nil {
		then(s.pending)
	}
	<-ended
	synctest.Wait()
	s.received = withoutKeys(received)
	return s
}

// withoutKeys returns the records of an answer without their random parts.
func withoutKeys(b []byte) (s string) {
	for len(b) >= 5 && (b[0] == 20 || b[0] == 22 || b[0] == 23) {
		s += fmt.Sprintf("record %d, ", b[0])
		b = b[min(len(b), 5+int(b[3])<<8+int(b[4])):]
	}
	return s + fmt.Sprintf("%x", b)
}

// assertHalfOpen compares the result for a client that stops after a beginning
// with that of crypto/tls on a plain connection with a deadline.
func assertHalfOpen(t testing.TB, config *tls.Config, beginning string, cut int) {
	name := fmt.Sprintf("%.60x, cut at %d", beginning, cut)
	var plain, ours, evicted stop
	bubble := func(f func(p *servertest.Pipes)) {
		synctest.Test(t.(*testing.T), func(*testing.T) {
			p := servertest.NewPipes()
			defer p.Close()
			f(p)
		})
	}
	bubble(func(p *servertest.Pipes) { plain = stopped(t, p, p, config, beginning, cut, nil) })
	bubble(func(p *servertest.Pipes) {
		l := &server.Listener{Listener: p, HandshakeTimeout: stopTimeout}
		ours = stopped(t, l, p, config, beginning, cut, func(pending bool) {
			if open, halfOpen := l.Conns(); pending {
				assert.Equal(t, [2]int{1, 1}, [2]int{open, halfOpen}, name)
			}
		})
		open, halfOpen := l.Conns()
		assert.Equal(t, [2]int{0, 0}, [2]int{open, halfOpen}, name)
	})
	assert.Equal(t, plain, ours, name)
	assert.LessOrEqual(t, ours.closed, stopTimeout, name)
	if !plain.pending {
		return
	}
	bubble(func(p *servertest.Pipes) {
		var dropped []server.DropReason
		l := &server.Listener{Listener: p, HandshakeTimeout: stopTimeout, Limits: &server.Limits{MaxHalfOpen: 1,
			Dropped: func(why server.DropReason) { dropped = append(dropped, why) }}}
		evicted = stopped(t, l, p, config, beginning, cut, func(bool) {
			go func() {
				conn, err := l.Accept()
				assert.NoError(t, err)
				conn.Close()
			}()
			p.Dial().Close()
			synctest.Wait()
		})
		assert.Equal(t, []server.DropReason{server.DropHalfOpen}, dropped, name)
	})
	assert.Zero(t, evicted.closed, name)
}

// TestHalfOpenUntilCryptoTLSAnswers: clients stop anywhere. They count as half-open
// as long as crypto/tls waits, and receive what crypto/tls alone would send.
func TestHalfOpenUntilCryptoTLSAnswers(t *testing.T) {
	config := servertest.Config(t)
	retry := retryTLS(config)
	tls12 := config.Clone()
	tls12.MaxVersion = tls.VersionTLS12
	compared := 0
	for beginning := range beginnings(t) {
		cuts := []int{0}
		if n := len(beginning); n > 1 {
			cuts = append(cuts, n-1)
		}
		configs := []*tls.Config{config}
		if len(beginning) > 100 {
			configs = append(configs, retry, tls12)
		}
		for _, config := range configs {
			for _, cut := range cuts {
				assertHalfOpen(t, config, beginning, cut)
				compared++
			}
		}
		if t.Failed() {
			break
		}
	}
	require.Greater(t, compared, 10_000)
}

// FuzzHalfOpen has plain crypto/tls as its oracle.
func FuzzHalfOpen(f *testing.F) {
	config := servertest.Config(f)
	retry := retryTLS(config)
	all := beginnings(f)
	for i, beginning := range slices.Sorted(maps.Keys(all)) {
		if i%50 == 0 {
			f.Add([]byte(beginning), uint16(0), i%100 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, beginning []byte, cut uint16, again bool) {
		if len(beginning) > 1<<14 {
			return
		}
		c := config
		if again {
			c = retry
		}
		assertHalfOpen(t, c, string(beginning), min(int(cut), len(beginning)))
	})
}

// TestClientThatDoesNotRead: the handshake deadline ends a client that reads
// nothing of the server's answer.
func TestClientThatDoesNotRead(t *testing.T) {
	config := servertest.Config(t)
	hello := record(22, 0x0301, hellotest.Real(t)["curl-openssl-3.0"].Raw)
	synctest.Test(t, func(t *testing.T) {
		p := servertest.NewPipes()
		l := &server.Listener{Listener: p, HandshakeTimeout: stopTimeout}
		began := time.Now()
		go func() {
			client := p.Dial()
			client.Write(hello)
		}()
		conn, err := l.Accept()
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Hour)))
		assert.ErrorIs(t, tls.Server(conn, config).Handshake(), os.ErrDeadlineExceeded)
		assert.Equal(t, stopTimeout, time.Since(began))
		require.NoError(t, conn.Close())
	})
}

// TestWriteDeadlineAfterTheHandshake: a write deadline of the user holds, set
// before the handshake or after it.
func TestWriteDeadlineAfterTheHandshake(t *testing.T) {
	config := servertest.Config(t)
	synctest.Test(t, func(t *testing.T) {
		p := servertest.NewPipes()
		l := &server.Listener{Listener: p, HandshakeTimeout: stopTimeout}
		began := time.Now()
		go func() {
			client := tls.Client(p.Dial(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
			assert.NoError(t, client.Handshake())
		}()
		conn, err := l.Accept()
		require.NoError(t, err)
		require.NoError(t, conn.SetWriteDeadline(began.Add(time.Minute)))
		s := tls.Server(conn, config)
		require.NoError(t, s.Handshake())
		time.Sleep(2 * stopTimeout)
		_, err = conn.Write([]byte("nobody reads it"))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(began))
		require.NoError(t, conn.SetWriteDeadline(began.Add(2*time.Minute)))
		_, err = conn.Write([]byte("nobody reads it"))
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.Equal(t, 2*time.Minute, time.Since(began))
		require.NoError(t, conn.Close())
	})
}

// TestPlainTextGoesOn: a server goes on with a client without TLS after crypto/tls
// has given up.
func TestPlainTextGoesOn(t *testing.T) {
	config := servertest.Config(t)
	synctest.Test(t, func(t *testing.T) {
		p := servertest.NewPipes()
		l := &server.Listener{Listener: p, HandshakeTimeout: stopTimeout}
		go func() {
			client := p.Dial()
			for range 5 {
				_, err := io.WriteString(client, "EHLO client.example\r\n")
				assert.NoError(t, err)
				time.Sleep(stopTimeout)
			}
			client.Close()
		}()
		conn, err := l.Accept()
		require.NoError(t, err)
		var re tls.RecordHeaderError
		require.ErrorAs(t, tls.Server(conn, config).Handshake(), &re)
		require.Same(t, conn, re.Conn)
		assertCounts(t, l, 1, 0)
		rest, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, 4, strings.Count(string(rest), "EHLO"))
		require.NoError(t, conn.Close())
	})
}
