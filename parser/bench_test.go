package parser

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// BenchmarkUnmarshal reads a hello of 1,979 bytes. Compare it with
// BenchmarkSHA256x2 of the same run.
func BenchmarkUnmarshal(b *testing.B) {
	msg := readHellos(b)["chromium-156"].Raw
	var h ClientHello
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Unmarshal(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnmarshalQUIC reads a hello with transport parameters.
func BenchmarkUnmarshalQUIC(b *testing.B) {
	msg := readHellos(b)["chromium-156-quic"].Raw
	h := ClientHello{Transport: QUIC}
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Unmarshal(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSHA256x2 hashes 100 bytes twice, as JA4 does.
func BenchmarkSHA256x2(b *testing.B) {
	data := make([]byte, 100)
	for b.Loop() {
		sha256.Sum256(data)
		sha256.Sum256(data)
	}
}

// BenchmarkCryptoTLS has crypto/tls read the same hello, which it does only in
// a handshake.
func BenchmarkCryptoTLS(b *testing.B) {
	stream := records(readHellos(b)["chromium-156"].Raw, 16384)
	b.ReportAllocs()
	for b.Loop() {
		if info, _ := serverView(stream); info == nil {
			b.Fatal("crypto/tls rejected the hello")
		}
	}
}

// BenchmarkDissect builds the tree of the same hello.
func BenchmarkDissect(b *testing.B) {
	h := readHellos(b)["chromium-156"]
	b.ReportAllocs()
	for b.Loop() {
		Dissect(h)
	}
}

func BenchmarkFieldJSON(b *testing.B) {
	f := Dissect(readHellos(b)["chromium-156"])
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = f.AppendJSON(buf[:0])
	}
}

// BenchmarkRecordAssembler reads a hello of 65,540 bytes, in records of 1 byte,
// a byte at a time.
func BenchmarkRecordAssembler(b *testing.B) {
	msg := make([]byte, headerLen+tlsrecord.MaxMessage)
	msg[0], msg[1] = tlsrecord.ClientHello, tlsrecord.MaxMessage>>16
	stream := records(msg, 1)
	b.ReportAllocs()
	for b.Loop() {
		var a RecordAssembler
		var got []byte
		for i := range stream {
			got, _, _ = a.Next(stream[i : i+1])
		}
		if len(got) != len(msg) {
			b.Fatal("no message")
		}
	}
}

// BenchmarkDTLSAssembler reads a hello of 65,540 bytes, in fragments of 16
// bytes, last first.
func BenchmarkDTLSAssembler(b *testing.B) {
	msg := make([]byte, headerLen+tlsrecord.MaxMessage)
	msg[0], msg[1] = tlsrecord.ClientHello, tlsrecord.MaxMessage>>16
	var datagrams [][]byte
	for i := tlsrecord.MaxMessage; i > 0; i -= 16 {
		datagrams = append(datagrams, dtlsRecord(dtlsFragment(msg, 0, i-16, i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		var a DTLSAssembler
		var got []byte
		for _, d := range datagrams {
			got, _ = a.Next(d)
		}
		if len(got) != len(msg) {
			b.Fatal("no message")
		}
	}
}

var errSeen = errors.New("seen")

// serverView returns how crypto/tls reads the hello of a stream, or nil if it
// rejects it.
func serverView(stream []byte) (info *tls.ClientHelloInfo, err error) {
	config := tls.Config{GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
		info = i
		return nil, errSeen
	}}
	err = tls.Server(&streamConn{Reader: bytes.NewReader(stream)}, &config).Handshake()
	return info, err
}

// A streamConn is a connection that delivers a stream, and then EOF.
type streamConn struct{ io.Reader }

func (*streamConn) Write(b []byte) (int, error)      { return len(b), nil }
func (*streamConn) Close() error                     { return nil }
func (*streamConn) LocalAddr() net.Addr              { return nil }
func (*streamConn) RemoteAddr() net.Addr             { return nil }
func (*streamConn) SetDeadline(time.Time) error      { return nil }
func (*streamConn) SetReadDeadline(time.Time) error  { return nil }
func (*streamConn) SetWriteDeadline(time.Time) error { return nil }
