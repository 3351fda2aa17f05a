package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// forgeable has the fields that are set in the tests of forgery, and those dropped.
var forgeable = server.Headers{All: true, JSON: "X-Event", Drop: []string{"X-Forwarded-*", "Forwarded", "X-Real-IP"}}

// forged has the names that no request may have with a value of the client.
func forged() (names []string) {
	for _, name := range []string{
		"x-ja3-fingerprint", "x-ja4-fingerprint", "x-http2-fingerprint", "x-http3-fingerprint", "x-stable-fingerprint", "x-tls-client",
		"x-tls-tells", "x-tls-claim", "x-tls-tags", "x-tls-rule", "x-tls-action", "tlspeek", "x-event",
		"x-forwarded-for", "x-forwarded-proto", "x-forwarded-anything", "forwarded", "x-real-ip",
	} {
		names = append(names, name, name+"_")
		if other := strings.ReplaceAll(name, "-", "_"); other != name {
			names = append(names, other, strings.ReplaceAll(name, "-", "."), strings.Replace(name, "-", "_", 1), strings.ReplaceAll(name, "-", "--"))
		}
	}
	return append(names, "xja4fingerprint", "tls-peek")
}

// strict answers with the header fields and trailers of the request, and with those
// trailers that were there before the end of the body.
var strict = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	show := func(what string, fields http.Header) {
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			for _, value := range fields[name] {
				fmt.Fprintf(w, "%s %s: %s\n", what, name, value)
			}
		}
	}
	var early []http.Header
	var one [1]byte
	for {
		n, err := r.Body.Read(one[:])
		early = append(early, r.Trailer.Clone())
		if n == 0 && err == nil || err != nil && err != io.EOF {
			early = append(early, http.Header{"Error": {fmt.Sprint(err)}})
		}
		if err != nil {
			break
		}
	}
	show("header", r.Header)
	for _, fields := range early {
		show("trailer", fields)
	}
	show("trailer", r.Trailer)
})

// checkForged checks what strict has answered.
func checkForged(t *testing.T, text string, trailer bool) {
	t.Helper()
	assert.NotContains(t, text, "FORGED")
	assert.Contains(t, text, "header Other: mine\n")
	assert.Equal(t, trailer, strings.Contains(text, "trailer Other-Trailer: mine\n"), text)
	assert.Equal(t, 1, strings.Count(text, "header X-Ja4-Fingerprint: "), text)
	_, line, _ := strings.Cut(text, "header X-Event: ")
	line, _, _ = strings.Cut(line, "\n")
	var e map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &e), text)
	assert.NotEmpty(t, e["ja4"])
}

func TestForgedFieldsOverHTTP1(t *testing.T) {
	ln := &server.Listener{Listener: servertest.Listen(t)}
	serve(t, &server.Server{Handler: forgeable.Wrap(strict)}, ln, time.Second)
	for _, announced := range []bool{true, false} {
		conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		defer conn.Close()
		r := bufio.NewReader(conn)
		for range 2 {
			var b bytes.Buffer
			b.WriteString("POST / HTTP/1.1\r\nHost: x\r\nOther: mine\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5\r\n")
			for i, name := range forged() {
				fmt.Fprintf(&b, "%s: FORGED\r\n%s:\tFORGED\r\n", name, strings.ToUpper(name))
				switch i % 4 {
				case 0:
					fmt.Fprintf(&b, "Connection: %s\r\n", name)
				case 1:
					fmt.Fprintf(&b, "connection:\t, %s\t,keep-alive,\r\n", strings.ToUpper(name))
				case 2:
					fmt.Fprintf(&b, "Proxy-Connection: \"%s\"\r\n", name)
				}
				if announced {
					fmt.Fprintf(&b, "Trailer: %s, Other-Trailer\r\n", name)
				}
			}
			b.WriteString("\r\n1\r\nx\r\n0\r\n")
			for _, name := range forged() {
				fmt.Fprintf(&b, "%s: FORGED\r\n", name)
			}
			b.WriteString("Other-Trailer: mine\r\n\r\n")
			_, err = conn.Write(b.Bytes())
			require.NoError(t, err)
			resp, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			checkForged(t, string(text), true)
			for line := range strings.Lines(string(text)) {
				if _, options, ok := strings.Cut(line, "onnection: "); ok {
					assert.Equal(t, "keep-alive", strings.Join(slices.Compact(strings.Split(strings.TrimSpace(options), ", ")), ", "))
				}
			}
		}
	}
}

func TestForgedFieldsOverHTTP2(t *testing.T) {
	ln := &server.Listener{Listener: servertest.Listen(t)}
	serve(t, &server.Server{Handler: forgeable.Wrap(strict)}, ln, time.Second)
	conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, http2.ClientPreface)
	require.NoError(t, err)
	f := http2.NewFramer(conn, conn)
	require.NoError(t, f.WriteSettings())
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	field := func(name, value string) {
		require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: name, Value: value}))
	}
	for i, announced := range []bool{true, false, true} {
		block.Reset()
		for _, pseudo := range []string{":method POST", ":authority x", ":scheme https", ":path /"} {
			name, value, _ := strings.Cut(pseudo, " ")
			field(name, value)
		}
		field("other", "mine")
		if i == 2 { // a trailer after a body whose length is known
			field("content-length", "1")
		}
		for _, name := range forged() {
			field(name, "FORGED")
			field(name, "FORGED too")
			if announced {
				field("trailer", name)
			}
		}
		if announced {
			field("trailer", "other-trailer")
		}
		stream := uint32(2*i + 1)
		require.NoError(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}))
		require.NoError(t, f.WriteData(stream, false, []byte("x")))
		block.Reset()
		for _, name := range forged() {
			field(name, "FORGED")
		}
		field("other-trailer", "mine")
		require.NoError(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}))
		var text []byte
		for ended := false; !ended; {
			frame, err := f.ReadFrame()
			require.NoError(t, err)
			switch frame := frame.(type) {
			case *http2.DataFrame:
				text = append(text, frame.Data()...)
				ended = frame.StreamEnded()
			case *http2.RSTStreamFrame, *http2.GoAwayFrame:
				require.Fail(t, "the server has refused the request", "%v", frame)
			}
		}
		checkForged(t, string(text), announced)
	}
}

// An endingBody gives its request a trailer at its end, so that it is not announced.
type endingBody struct {
	io.Reader
	r       *http.Request
	trailer http.Header
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.r.Trailer = b.trailer
	}
	return n, err
}

func TestForgedFieldsOverHTTP3(t *testing.T) {
	udp := servertest.UDP(t)
	ln := &server.Listener{Listener: servertest.Listen(t)}
	serve(t, &server.Server{Handler: forgeable.Wrap(strict), UDP: []*net.UDPConn{udp}}, ln, time.Second)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	for _, announced := range []bool{true, false} {
		for _, length := range []int64{-1, 1} {
			t.Run(strconv.FormatBool(announced)+strconv.FormatInt(length, 10), func(t *testing.T) {
				trailer := http.Header{"Other-Trailer": {"mine"}}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, "POST", "https://"+udp.LocalAddr().String(), nil)
				require.NoError(t, err)
				r.Header.Set("Other", "mine")
				for _, name := range forged() {
					r.Header[name] = []string{"FORGED", "FORGED too"}
					trailer[name] = []string{"FORGED"}
				}
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), length
				if announced {
					r.Trailer = trailer
				} else {
					r.Body = io.NopCloser(&endingBody{strings.NewReader("x"), r, trailer})
				}
				resp, err := transport.RoundTrip(r)
				require.NoError(t, err)
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				checkForged(t, string(text), true)
			})
		}
	}
}
