package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// A wire has what a client sent over one connection, in the order sent.
type wire struct {
	mu       sync.Mutex
	udp      bool
	src, dst netip.AddrPort
	sent     [][]byte
	offsets  []int // in the TCP stream, of each of sent, or nil if they follow each other
}

func (w *wire) add(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, bytes.Clone(p))
}

// A recordedConn is the client's end of a connection over TCP.
type recordedConn struct {
	net.Conn
	wire *wire
}

func (c recordedConn) Write(p []byte) (int, error) {
	c.wire.add(p)
	return c.Conn.Write(p)
}

// dial connects to a server and has w note what is sent.
func (w *wire) dial(_ context.Context, network, addr string) (net.Conn, error) {
	conn, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	w.src, w.dst = conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	return recordedConn{conn, w}, nil
}

// A recordedSocket is the client's socket for QUIC.
type recordedSocket struct {
	net.PacketConn // without what quic-go sends several datagrams at once with
	wire           *wire
}

func (s recordedSocket) WriteTo(p []byte, addr net.Addr) (int, error) {
	s.wire.add(p)
	return s.PacketConn.WriteTo(p, addr)
}

// pcap returns a capture of w. at gives the time of a packet, which are numbered from 1.
func (w *wire) pcap(at func(packet int64) time.Time) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	u16, u32 := binary.BigEndian.AppendUint16, binary.BigEndian.AppendUint32
	const nanoseconds, rawIP, tcp, udp, syn, ack = 0xa1b23c4d, 101, 6, 17, 2, 16
	b := u32(u32(u32(u32(u16(u16(u32(nil, nanoseconds), 2), 4), 0), 0), 1<<18), rawIP)
	packets, sequence := int64(0), uint32(1000)
	packet := func(protocol byte, header, p []byte) {
		packets++
		ports := u16(u16(nil, w.src.Port()), w.dst.Port())
		length := 20 + len(ports) + len(header) + len(p)
		t := at(packets)
		b = u32(u32(u32(u32(b, uint32(t.Unix())), uint32(t.Nanosecond())), uint32(length)), uint32(length))
		b = u16(u16(append(b, 0x45, 0), uint16(length)), 1)
		b = append(b, 0, 0, 64, protocol, 0, 0)
		b = append(append(b, w.src.Addr().Unmap().AsSlice()...), w.dst.Addr().Unmap().AsSlice()...)
		b = append(append(append(b, ports...), header...), p...)
	}
	segment := func(flags byte, p []byte) {
		packet(tcp, append(u32(u32(nil, sequence), 0), 0x50, flags, 0xff, 0xff, 0, 0, 0, 0), p)
		sequence += uint32(len(p))
	}
	if !w.udp {
		segment(syn, nil)
		sequence++
	}
	first := sequence
	for i, p := range w.sent {
		if w.offsets != nil {
			sequence = first + uint32(w.offsets[i])
		}
		if w.udp {
			packet(udp, u16(u16(nil, uint16(8+len(p))), 0), p)
		} else {
			segment(ack, p)
		}
	}
	return b
}

// A liveEvent is an Event of a server, and the same in size Detail.
type liveEvent struct{ full, detail event.Event }

// liveEvents keeps what Settled is called with.
type liveEvents struct {
	mu     sync.Mutex
	events []liveEvent
}

func (l *liveEvents) add(o *event.Observation, e *event.Event) {
	detail := new(event.Observer).Event(o, event.Detail)
	detail.Raw = bytes.Clone(detail.Raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, liveEvent{*e, detail})
}

// wait returns the Events once there are n.
func (l *liveEvents) wait(t *testing.T, n int) []liveEvent {
	t.Helper()
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.events) >= n
	}, 20*time.Second, time.Millisecond)
	require.Len(t, l.events, n)
	return l.events
}

// sharedKeys returns in JSON the keys of e that live Events and those of captures share,
// except id, and of carrier the parts that they share. It returns the other keys, too.
func sharedKeys(t *testing.T, e *event.Event) (shared map[string]string, others []string) {
	t.Helper()
	shared = map[string]string{}
	for i := range event.Fields {
		f := &event.Fields[i]
		b, err := f.Append([]byte("{"), e)
		require.NoError(t, err)
		switch {
		case len(b) == 1:
		case f.Origin != event.Anywhere || f.Key == "id":
			others = append(others, f.Key)
		case f.Key == "carrier":
			c := *e.Carrier
			c.Segments, c.Overlap, c.Prefix = 0, false, 0
			c.Split = max(c.Records, c.Datagrams) > 1
			text, err := json.Marshal(c)
			require.NoError(t, err)
			shared[f.Key] = string(text)
		case e.Error != "" && (f.Key == "hello" || f.Key == "raw"): // only a capture has a message that is decoded in part
		case f.Key == "received":
			shared[f.Key] = e.Received[:min(len(e.Received), 2*256)] // a server keeps no more
		default:
			shared[f.Key] = string(b[1:])
		}
	}
	return shared, others
}

// checkParity compares live Events with those of a capture of their connection.
func checkParity(t *testing.T, w *wire, live []liveEvent) map[string]bool {
	t.Helper()
	var packets []int64 // that complete a hello
	_, err := capture.Read(t.Context(), bytes.NewReader(w.pcap(func(int64) time.Time { return live[0].full.Time })), func(h *capture.Hello) error {
		packets = append(packets, h.Packet)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, packets, len(live), "hellos of the capture")
	b := w.pcap(func(packet int64) time.Time {
		n := slices.IndexFunc(packets, func(p int64) bool { return p >= packet })
		return live[max(n, 0)].full.Time
	})
	seen, n := map[string]bool{}, 0
	_, err = capture.Read(t.Context(), bytes.NewReader(b), func(h *capture.Hello) error {
		o := h.Observation()
		for _, size := range []event.Size{event.Full, event.Detail} {
			offline := new(event.Observer).Event(&o, size)
			e := &live[n].full
			if size == event.Detail {
				e = &live[n].detail
			}
			want, _ := sharedKeys(t, e)
			got, _ := sharedKeys(t, &offline)
			assert.Equal(t, want, got)
			for key := range got {
				seen[key] = true
			}
			for _, side := range []struct {
				e     *event.Event
				never event.Origin
			}{{e, event.Offline}, {&offline, event.Live}} {
				_, others := sharedKeys(t, side.e)
				for _, key := range others {
					assert.NotEqual(t, side.never, originOf(key), key)
				}
			}
		}
		n++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, len(live), n)
	return seen
}

func originOf(key string) event.Origin {
	for i := range event.Fields {
		if event.Fields[i].Key == key {
			return event.Fields[i].Origin
		}
	}
	return event.Anywhere
}

// TestLiveAndOfflineAgree: an Event of a connection and that of a capture of the same
// bytes have the same values under all keys that docs/event.md marks with "both", except
// id, and neither has a key of the other.
func TestLiveAndOfflineAgree(t *testing.T) {
	seen := map[string]bool{}
	note := func(keys map[string]bool) {
		for key := range keys {
			seen[key] = true
		}
	}
	for _, c := range []struct {
		name   string
		http2  bool
		retry  bool // the server asks for a second hello
		hellos int
	}{{"HTTP/1.1", false, false, 1}, {"HTTP/2", true, false, 1}, {"HelloRetryRequest", true, true, 2}} {
		t.Run(c.name, func(t *testing.T) {
			var live liveEvents
			l := &server.Listener{Listener: servertest.Listen(t), Settled: live.add}
			config := servertest.Config(t)
			if c.retry {
				config.CurvePreferences = []tls.CurveID{tls.CurveP521} // no client sends a share for it
			}
			servertest.Serve(t, &server.Server{TLSConfig: config, Handler: http.NotFoundHandler()}, l, time.Second)
			var w wire
			client := servertest.HTTPClient(c.http2)
			client.Transport.(*http.Transport).DialContext = w.dial
			get(t, client, "https://"+l.Addr().String())
			client.CloseIdleConnections()
			note(checkParity(t, &w, live.wait(t, c.hellos)))
		})
	}
	for _, retry := range []bool{false, true} {
		t.Run(map[bool]string{false: "QUIC", true: "QUIC, HelloRetryRequest"}[retry], func(t *testing.T) {
			var live liveEvents
			config, hellos := servertest.Config(t), 1
			if retry {
				config.CurvePreferences, hellos = []tls.CurveID{tls.CurveP521}, 2
			}
			conn := servertest.UDP(t)
			h3 := &server.HTTP3{TLSConfig: config, Handler: http.NotFoundHandler(), Settled: live.add}
			go h3.Serve(conn)
			defer h3.Close()
			socket := servertest.UDP(t)
			w := wire{udp: true, src: socket.LocalAddr().(*net.UDPAddr).AddrPort(), dst: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
			transport := &quic.Transport{Conn: recordedSocket{socket, &w}}
			rt := &http3.Transport{
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"},
				Dial: func(ctx context.Context, _ string, config *tls.Config, quicConfig *quic.Config) (*quic.Conn, error) {
					return transport.DialEarly(ctx, conn.LocalAddr(), config, quicConfig)
				},
			}
			get(t, &http.Client{Transport: rt}, "https://a.test")
			require.NoError(t, rt.Close())
			require.NoError(t, transport.Close())
			note(checkParity(t, &w, live.wait(t, hellos)))
		})
	}
	for name, h := range hellotest.Real(t) {
		if h.Transport != parser.TLS || h.SSLv2 {
			continue
		}
		t.Run(name, func(t *testing.T) { note(checkReplayParity(t, recordOf(h.Raw))) })
	}
	t.Run("malformed", func(t *testing.T) {
		message := bytes.Clone(hellotest.Real(t)["chromium-156"].Raw)
		message[len(message)-1]++
		binary.BigEndian.PutUint16(message[2:], uint16(len(message)-5)) // one byte less, so that the extensions do not fit
		note(checkReplayParity(t, recordOf(message[:len(message)-1])))
	})
	t.Run("SSLv2", func(t *testing.T) {
		note(checkReplayParity(t, []byte("\x80\x2f\x01\x03\x01\x00\x06\x00\x10\x00\x10"+
			"\x01\x00\x80\x02\x00\x80"+"session_id_of_16"+"0123456789abcdef")))
	})
	for i := range event.Fields {
		f := &event.Fields[i]
		if f.Origin == event.Anywhere && f.Key != "id" {
			assert.True(t, seen[f.Key], "no connection has %s: add one", f.Key)
		}
	}
}

// recordOf returns a message in a record.
func recordOf(message []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{22, 3, 1}, uint16(len(message))), message...)
}

// checkReplayParity sends a hello to a server as a client that then goes away.
func checkReplayParity(t *testing.T, hello []byte) (seen map[string]bool) {
	var live liveEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: live.add}
	servertest.Serve(t, &server.Server{TLSConfig: servertest.Config(t), Handler: http.NotFoundHandler()}, l, time.Second)
	var w wire
	conn, err := w.dial(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write(hello)
	require.NoError(t, err)
	require.NoError(t, conn.(recordedConn).Conn.(*net.TCPConn).CloseWrite())
	_, _ = io.Copy(io.Discard, conn)
	return checkParity(t, &w, live.wait(t, 1))
}

func get(t *testing.T, client *http.Client, url string) {
	t.Helper()
	resp, err := client.Get(url)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}
