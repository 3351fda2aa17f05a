package explain_test

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func md5Hex(s string) string    { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
func sha256Hex(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

// packetOf returns a packet for the hello of a vector, or nil.
func packetOf(v *hellotest.Vector) *fingerprint.QUICInitial {
	if v.QUIC == nil {
		return nil
	}
	q := &fingerprint.QUICInitial{
		Version: v.QUIC.Version, DCIDLen: v.QUIC.DCIDLen, SCIDLen: v.QUIC.SCIDLen,
		PacketNumberLen: v.QUIC.PacketNumberLen,
	}
	if v.QUIC.Token {
		q.TokenLen = 16 // of any length
	}
	for _, f := range v.QUIC.FrameTypes {
		q.FrameTypes = append(q.FrameTypes, byte(f))
	}
	return q
}

// diff compares two hellos without their packets.
func diff(a, b *parser.ClientHello) explain.Difference {
	return explain.Diff(&fingerprint.Input{Hello: a}, &fingerprint.Input{Hello: b})
}
