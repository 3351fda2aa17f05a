package server_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// A stalling connection writes some records, and half of the next one if it is told
// to. Then it writes nothing more.
type stalling struct {
	net.Conn
	records int
	half    bool
}

func (s *stalling) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := 5 + int(rest[3])<<8 + int(rest[4])
		if s.records == 0 && s.half {
			s.half = false
			n /= 2
			if _, err := s.Conn.Write(rest[:n]); err != nil {
				return 0, err
			}
		}
		if s.records == 0 {
			return len(b), nil
		}
		s.records--
		if _, err := s.Conn.Write(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

// stall has a client with a certificate stall after some records of its handshake, and
// returns how long it took the server to close the connection, or an hour.
func stall(p *servertest.Pipes, config *tls.Config, version uint16, records int, half bool) time.Duration {
	began := time.Now()
	client := p.Dial()
	defer client.Close()
	_ = client.SetReadDeadline(began.Add(time.Hour))
	c := tls.Client(&stalling{client, records, half}, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, Certificates: config.Certificates})
	_ = c.Handshake()
	io.Copy(io.Discard, client)
	return time.Since(began)
}

// TestClientThatStallsBeforeItsCertificate: the limit of the handshake holds with
// client certificates, until the client has sent a whole encrypted record. From there on
// that of a Server does, and that of net/http.
func TestClientThatStallsBeforeItsCertificate(t *testing.T) {
	config := servertest.Config(t)
	config.ClientAuth = tls.RequireAnyClientCert
	servers := map[string]func(t *testing.T, p *servertest.Pipes) (stop func()){
		"crypto/tls": func(t *testing.T, p *servertest.Pipes) func() {
			go func() {
				conn, err := (&server.Listener{Listener: p, HandshakeTimeout: stopTimeout}).Accept()
				if assert.NoError(t, err) {
					assert.ErrorIs(t, tls.Server(conn, config).Handshake(), os.ErrDeadlineExceeded)
					conn.Close()
				}
			}()
			return func() {}
		},
		"net/http": func(t *testing.T, p *servertest.Pipes) func() {
			srv := &http.Server{TLSConfig: config, ReadHeaderTimeout: stopTimeout, ErrorLog: log.New(io.Discard, "", 0), ConnContext: server.ConnContext}
			go srv.ServeTLS(&server.Listener{Listener: p}, "", "")
			return func() { assert.NoError(t, srv.Close()) }
		},
		"Server": func(t *testing.T, p *servertest.Pipes) func() {
			stop := serve(t, &server.Server{TLSConfig: config}, &server.Listener{Listener: p, HandshakeTimeout: stopTimeout}, 0)
			return func() { assert.NoError(t, stop()) }
		},
	}
	// The records of the client are, in TLS 1.3, its hello, ChangeCipherSpec, Certificate,
	// CertificateVerify and Finished; in TLS 1.2 its hello, Certificate,
	// ClientKeyExchange, CertificateVerify, ChangeCipherSpec and Finished.
	for _, c := range []struct {
		version       uint16
		records, seen int // in all, and those up to which a Conn knows that the handshake goes on
	}{
		{tls.VersionTLS12, 6, 5},
		{tls.VersionTLS13, 5, 2},
	} {
		for name, start := range servers {
			for n := range c.records {
				for _, half := range []bool{false, true} {
					if name == "crypto/tls" && n > c.seen {
						continue
					}
					synctest.Test(t, func(t *testing.T) {
						p := servertest.NewPipes()
						stop := start(t, p)
						assert.Equal(t, stopTimeout, stall(p, config, c.version, n, half), "%s, %s: after %d records, half of the next one: %v", name, tls.VersionName(c.version), n, half)
						stop()
						require.NoError(t, p.Close())
						time.Sleep(time.Minute) // what net/http lingers for
					})
				}
			}
		}
	}
}
