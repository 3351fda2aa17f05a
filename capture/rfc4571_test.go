package capture

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/parser"
)

// frame4571 returns a datagram with its length before it.
func frame4571(p []byte) []byte { return bytesOf(uint16(len(p)), p) }

func TestRFC4571(t *testing.T) {
	dtls := realHello(t, "openssl-dtls")
	n := len(dtls) - messageHeader
	whole := dtlsFragment(dtls, 0, 0, n)
	hello := frame4571(whole)
	parts := [][]byte{frame4571(dtlsFragment(dtls, 0, 0, 40)), frame4571(dtlsFragment(dtls, 0, 40, 100)), frame4571(dtlsFragment(dtls, 0, 100, n))}
	fragments := bytesOf(parts[0], parts[1], parts[2])
	check := frame4571(stunMessage(1, make([]byte, 40)))
	media := frame4571(append([]byte{0x80, 96}, make([]byte, 1000)...))
	at := len(check)
	s := side{client4, server4, 0xfffffff0}
	back := side{server4, client4, 9}
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    []int64 // packets
	}{
		{"ICE", all(s.syn(), s.data(0, check), s.data(at, hello)), []int64{3}},
		{"all in a segment", all(s.syn(), s.data(0, bytesOf(check, hello))), []int64{2}},
		{"without STUN", all(s.syn(), s.data(0, hello)), []int64{2}},
		{"an empty frame, media, and media control", all(s.syn(), s.data(0, bytesOf(check, "\x00\x00", media, frame4571([]byte("\x80\xc9\x00\x01abcd")), hello))), []int64{2}},
		{"much STUN", all(s.syn(), s.segments(bytes.Repeat(check, 3000), 1400), s.data(at*3000, hello)), []int64{3 + int64(at*3000/1400)}},
		{"fragments", all(s.syn(), s.data(0, bytesOf(check, fragments))), []int64{2}},
		{"fragments, segments of a byte", all(s.syn(), s.segments(bytesOf(check, fragments), 1)), []int64{int64(1 + at + len(fragments))}},
		{"out of order", all(s.syn(), s.data(100, bytesOf(check, hello)[100:]), s.data(0, bytesOf(check, hello)[:100])), []int64{3}},
		{"both sides", all(s.syn(), s.data(0, bytesOf(check, hello)), back.data(0, check), back.data(at, hello)), []int64{2, 4}},
		{"no SYN", all(s.data(0, hello)), []int64{1}},
		{"no SYN, STUN", all(s.data(0, check), s.data(at, hello[:30]), s.data(at+30, hello[30:])), []int64{3}},
		{"no SYN, fragments in a segment", all(s.data(0, fragments)), []int64{1}},
		{"no SYN, fragments and STUN in a segment", all(s.data(0, bytesOf(parts[1], check, parts[0], parts[2]))), []int64{1}},
		{"no SYN, fragments in reverse order", all(s.data(len(fragments)-len(parts[2]), parts[2]), s.data(len(parts[0]), parts[1]), s.data(0, parts[0])), []int64{3}},
		{"no SYN, segments of 60 bytes", all(s.segments(hello, 60)), []int64{int64(len(hello)+59) / 60}},
		{"no SYN, two records in a frame", all(s.data(0, frame4571(bytesOf(dtlsFragment(dtls, 0, 0, 90), dtlsFragment(dtls, 0, 90, n))))), []int64{1}},
		{"behind a hole", all(s.syn(), s.data(0, check), s.data(at+5000, hello)), []int64{3}},

		{"no SYN, a file goes on after it", all(s.data(0, bytesOf(hello, "a capture with ICE over TCP"))), nil},
		{"no SYN, another file", all(s.data(0, bytesOf(hello, hello[:2], media[2:]))), nil},
		{"no SYN, wrong length", all(s.data(0, bytesOf(uint16(len(hello)-1), hello[2:]))), nil},
		{"STUN with another length", all(s.syn(), s.data(0, bytesOf(uint16(at-1), check[2:], hello))), nil},
		{"in a frame of media", all(s.syn(), s.data(0, bytesOf(check, frame4571(bytesOf(0x80, 96, hello))))), nil},
		{"after another protocol", all(s.syn(), s.data(0, bytesOf("another protocol", hello))), nil},
		{"TLS in it", all(s.syn(), s.data(0, bytesOf(check, frame4571(record(realHello(t, "python-tls12")))))), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var frames [][]byte
			for _, p := range test.packets {
				frames = append(frames, ipFrame(p))
			}
			for _, file := range [][]byte{rawPcap(test.packets...), pcapOf(LinkEthernet, frames...)} {
				var got []int64
				for i, h := range readAll(t, file) {
					got = append(got, h.Packet)
					want := found{client4, server4, parser.DTLS, 1, h.Packet, "rfc4571", string(dtls)}
					if i == 1 {
						want.Src, want.Dst = server4, client4
					}
					assert.Equal(t, want, h)
				}
				assert.Equal(t, test.want, got)
			}
		})
	}
}
