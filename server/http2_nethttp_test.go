package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// An h2Client speaks HTTP/2 frame by frame, and records what happens and when.
type h2Client struct {
	net.Conn
	framer *http2.Framer
	began  time.Time
	mu     sync.Mutex
	notes  []string
}

func (c *h2Client) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes = append(c.notes, fmt.Sprintf("%v: ", time.Since(c.began))+fmt.Sprintf(format, args...))
}

// noteShutdown records how Shutdown ended. Shutdown checks about twice a second
// whether all connections are closed.
func (c *h2Client) noteShutdown(err error) {
	took := "in time"
	if time.Since(c.began) > 12*time.Second {
		took = "late"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes = append(c.notes, fmt.Sprintf("Shutdown: %v, %s", err, took))
}

// begin sends the preface and the settings.
func (c *h2Client) begin(settings ...http2.Setting) {
	io.WriteString(c, http2.ClientPreface)
	c.framer.WriteSettings(settings...)
}

// ask sends a request, or only its header if a body will follow.
func (c *h2Client) ask(stream uint32, method, path string, end bool) {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, h := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "h2.example"}, {":path", path}} {
		e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
	}
	c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
}

// listen reads until the connection ends or quiet returns true for a frame.
func (c *h2Client) listen(quiet func(http2.Frame) bool) {
	for {
		f, err := c.framer.ReadFrame()
		if err != nil {
			c.note("ended")
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if f.IsAck() {
				continue
			}
			var s []string
			f.ForeachSetting(func(x http2.Setting) error {
				if x.ID != http2.SettingNoRFC7540Priorities { // which net/http of Go 1.26 does not send
					s = append(s, x.String())
				}
				return nil
			})
			c.note("settings %s", strings.Join(s, " "))
		case *http2.GoAwayFrame:
			c.note("goaway %v after stream %d", f.ErrCode, f.LastStreamID)
		case *http2.RSTStreamFrame:
			c.note("reset %v of stream %d", f.ErrCode, f.StreamID)
		case *http2.HeadersFrame:
			c.note("headers of stream %d, end %v", f.StreamID, f.StreamEnded())
		case *http2.DataFrame:
			c.note("data %q of stream %d, end %v", f.Data(), f.StreamID, f.StreamEnded())
		case *http2.PingFrame:
			c.note("ping")
		}
		if quiet != nil && quiet(f) {
			return
		}
	}
}

// ended reports whether f ends a stream.
func ended(f http2.Frame) bool {
	switch f := f.(type) {
	case *http2.DataFrame:
		return f.StreamEnded()
	case *http2.HeadersFrame:
		return f.StreamEnded()
	}
	return false
}

// http2Cases has what net/http does on HTTP/2 connections.
var http2Cases = map[string]struct {
	set     func(srv *http.Server)
	handler http.HandlerFunc
	act     func(srv *http.Server, c *h2Client)
	want    string // one of the records
}{
	"IdleTimeout": {
		set: func(srv *http.Server) { srv.IdleTimeout = 40 * time.Second },
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			c.listen(nil)
		},
		want: "40s: goaway NO_ERROR after stream 1",
	},
	"IdleTimeout, from ReadTimeout": {
		set: func(srv *http.Server) { srv.ReadTimeout = 30 * time.Second },
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			c.listen(nil)
		},
		want: "30s: goaway NO_ERROR after stream 1",
	},
	"no preface": {
		act:  func(_ *http.Server, c *h2Client) { c.listen(nil) },
		want: "10s: ended",
	},
	"no settings": {
		act: func(_ *http.Server, c *h2Client) {
			io.WriteString(c, http2.ClientPreface)
			c.listen(nil)
		},
		want: "2s: ended",
	},
	"ReadTimeout of a body": {
		set: func(srv *http.Server) { srv.ReadTimeout = 7 * time.Second },
		handler: func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			fmt.Fprint(w, err)
		},
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "POST", "/", false)
			c.listen(ended)
		},
		want: `7s: data "i/o timeout" of stream 1, end true`,
	},
	"WriteTimeout": {
		set: func(srv *http.Server) { srv.WriteTimeout = 6 * time.Second },
		handler: func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		},
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			c.listen(func(f http2.Frame) bool { return f.Header().Type == http2.FrameRSTStream })
		},
		want: "6s: reset INTERNAL_ERROR of stream 1",
	},
	"WriteByteTimeout": {
		set: func(srv *http.Server) { srv.HTTP2 = &http.HTTP2Config{WriteByteTimeout: 5 * time.Second} },
		handler: func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			w.Write(make([]byte, 1<<20))
			<-r.Context().Done()
			noted := r.Context().Value(noteKey{}).(func(string, ...any))
			noted("the handler's context is done after %v", time.Since(began))
		},
		act: func(_ *http.Server, c *h2Client) {
			c.begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
			c.framer.WriteWindowUpdate(0, 1<<30)
			c.ask(1, "GET", "/", true)
			time.Sleep(time.Minute) // and reads nothing
		},
		want: "10s: the handler's context is done after 10s", // 5 s to write, and 5 s to announce the end
	},
	"SendPingTimeout": {
		set: func(srv *http.Server) {
			srv.HTTP2 = &http.HTTP2Config{SendPingTimeout: 20 * time.Second, PingTimeout: 3 * time.Second}
		},
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.listen(nil) // and answers no ping
		},
		want: "23s: ended",
	},
	"limits": {
		set: func(srv *http.Server) {
			srv.MaxHeaderBytes = 12345
			srv.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 17, MaxReadFrameSize: 20000, MaxReceiveBufferPerStream: 70000}
		},
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.listen(func(f http2.Frame) bool { return f.Header().Type == http2.FrameSettings })
		},
		want: "0s: settings [MAX_FRAME_SIZE = 20000] [MAX_CONCURRENT_STREAMS = 17] [MAX_HEADER_LIST_SIZE = 12665] [HEADER_TABLE_SIZE = 4096] [INITIAL_WINDOW_SIZE = 70000]",
	},
	"Shutdown of an idle connection": {
		act: func(srv *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			c.listen(ended)
			go func() { c.noteShutdown(srv.Shutdown(context.Background())) }()
			c.listen(nil)
			time.Sleep(time.Second)
		},
		want: "Shutdown: <nil>, in time",
	},
	"Shutdown during a request": {
		handler: func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(9 * time.Second)
			io.WriteString(w, "answered")
		},
		act: func(srv *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			go func() {
				time.Sleep(time.Second)
				c.noteShutdown(srv.Shutdown(context.Background()))
			}()
			c.listen(nil)
			time.Sleep(time.Minute)
		},
		want: `9s: data "answered" of stream 1, end true`,
	},
	"Shutdown that is given up": {
		handler: func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		act: func(srv *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			go func() {
				time.Sleep(time.Second)
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				defer cancel()
				c.noteShutdown(srv.Shutdown(ctx))
				c.note("Close: %v", srv.Close())
			}()
			c.listen(nil)
			time.Sleep(time.Second)
		},
		want: "4s: Close: <nil>",
	},
	"Close": {
		handler: func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		act: func(srv *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			go func() {
				time.Sleep(3 * time.Second)
				srv.Close()
			}()
			c.listen(nil)
		},
		want: "3s: ended",
	},
	"panic": {
		handler: func(http.ResponseWriter, *http.Request) { panic("on purpose") },
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			c.listen(func(f http2.Frame) bool { return f.Header().Type == http2.FrameRSTStream })
		},
		want: "0s: logged: http2: panic serving 192.0.2.1:1234: on purpose",
	},
	"OPTIONS *": {
		handler: func(http.ResponseWriter, *http.Request) { panic("it is answered without the handler") },
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "OPTIONS", "*", true)
			c.listen(ended)
		},
		want: "0s: headers of stream 1, end true",
	},
	"Connection: close": {
		handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") },
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			c.listen(nil)
		},
		want: "0s: goaway NO_ERROR after stream 1",
	},
	"request": {
		handler: func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			srv := ctx.Value(http.ServerContextKey).(*http.Server)
			fmt.Fprintln(w, r.Proto, r.TLS.NegotiatedProtocol, r.RemoteAddr, r.Host, r.Body != nil,
				srv.TLSConfig.ServerName, ctx.Value(http.LocalAddrContextKey), ctx.Value(baseKey{}))
		},
		set: func(srv *http.Server) { srv.TLSConfig.ServerName = "the one" },
		act: func(_ *http.Server, c *h2Client) {
			c.begin()
			c.ask(1, "GET", "/", true)
			c.listen(ended)
		},
		want: `0s: data "HTTP/2.0 h2 192.0.2.1:1234 h2.example true the one 192.0.2.2:443 base\n" of stream 1, end true`,
	},
	"HTTP/1.1 and ReadHeaderTimeout": {
		set: func(srv *http.Server) { srv.ReadHeaderTimeout = 8 * time.Second },
		act: func(_ *http.Server, c *h2Client) {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHos")
			text, err := io.ReadAll(c)
			c.note("%.15s, %v", text, err)
		},
		want: "8s: HTTP/1.1 200 OK, <nil>",
	},
}

type (
	noteKey struct{}
	baseKey struct{}
)

// TestHTTP2AsNetHTTP compares a server with ConfigureHTTP2 behind a Listener with
// net/http alone: what a client sees and when, and what hooks of the server are
// called with. It has a fake clock.
func TestHTTP2AsNetHTTP(t *testing.T) {
	config := servertest.Config(t)
	for name, c := range http2Cases {
		t.Run(name, func(t *testing.T) {
			run := func(ours bool) (notes, states []string) {
				synctest.Test(t, func(t *testing.T) {
					client := &h2Client{began: time.Now()}
					srv := &http.Server{
						TLSConfig: config.Clone(),
						Handler:   c.handler,
						ErrorLog:  log.New(&noteWriter{client}, "", 0),
					}
					if c.handler == nil {
						srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
					}
					srv.BaseContext = func(net.Listener) context.Context { return context.WithValue(t.Context(), baseKey{}, "base") }
					srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
						return context.WithValue(server.ConnContext(ctx, c), noteKey{}, client.note)
					}
					conns := make(map[net.Conn]bool)
					srv.ConnState = func(c net.Conn, state http.ConnState) {
						client.mu.Lock()
						defer client.mu.Unlock()
						conns[c] = true
						states = append(states, fmt.Sprintf("%d connections, %v", len(conns), state))
					}
					if c.set != nil {
						c.set(srv)
					}
					ln := servertest.NewPipes()
					served := make(chan error, 1)
					if ours {
						require.NoError(t, server.ConfigureHTTP2(srv))
						go func() { served <- srv.ServeTLS(&server.Listener{Listener: addressed{ln}}, "", "") }()
					} else {
						go func() { served <- srv.ServeTLS(addressed{ln}, "", "") }()
					}
					protos := []string{"h2"}
					if strings.HasPrefix(name, "HTTP/1.1") {
						protos = []string{"http/1.1"}
					}
					conn := tls.Client(ln.Dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: protos})
					require.NoError(t, conn.Handshake())
					client.Conn, client.framer = conn, http2.NewFramer(conn, conn)
					c.act(srv, client)
					conn.NetConn().Close()
					synctest.Wait()
					srv.Close()
					require.ErrorIs(t, <-served, http.ErrServerClosed)
					synctest.Wait()
					notes = client.notes
				})
				return notes, states
			}
			wantNotes, wantStates := run(false)
			notes, states := run(true)
			assert.ElementsMatch(t, wantNotes, notes)
			assert.Equal(t, wantStates, states)
			assert.Contains(t, strings.Join(notes, "\n")+"\n", c.want+"\n")
		})
	}
}

// A noteWriter records the first line of what a server logs.
type noteWriter struct{ client *h2Client }

func (w *noteWriter) Write(p []byte) (int, error) {
	line, _, _ := strings.Cut(string(p), "\n")
	w.client.note("logged: %s", line)
	return len(p), nil
}

// addressed gives pipes addresses.
type addressed struct{ *servertest.Pipes }

func (a addressed) Accept() (net.Conn, error) {
	c, err := a.Pipes.Accept()
	if err != nil {
		return nil, err
	}
	return addressedConn{c}, nil
}

type addressedConn struct{ net.Conn }

func (addressedConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234}
}
func (addressedConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 443} }
