package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A frame is a packet of a capture with its link type.
type frame struct {
	link LinkType
	data []byte
}

// captureOf returns a pcap file in a byte order with a magic number.
func captureOf(order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}, magic uint32, frames []frame) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(order.AppendUint32(b, 262144), uint32(frames[0].link))
	for i, f := range frames {
		b = order.AppendUint32(order.AppendUint32(b, 1700000000+uint32(i)), uint32(i*1000))
		b = order.AppendUint32(order.AppendUint32(b, uint32(len(f.data))), uint32(len(f.data)))
		if magic == pcapModified {
			b = append(b, make([]byte, 8)...)
		}
		b = append(b, f.data...)
	}
	return b
}

// pcapngFile returns a little-endian pcapng file.
func pcapngFile(frames []frame) []byte {
	le := binary.LittleEndian
	block := func(kind uint32, body []byte) []byte {
		body = append(body, make([]byte, -len(body)&3)...)
		b := le.AppendUint32(le.AppendUint32(nil, kind), uint32(len(body)+12))
		return le.AppendUint32(append(b, body...), uint32(len(body)+12))
	}
	b := block(0x0a0d0d0a, bytesOf("\x4d\x3c\x2b\x1a\x01\x00\x00\x00", bytes.Repeat([]byte{0xff}, 8)))
	b = append(b, block(1, le.AppendUint32(le.AppendUint32(nil, uint32(frames[0].link)), 262144))...)
	for i, f := range frames {
		n := uint32(len(f.data))
		body := append(make([]byte, 8), le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, uint32(i)), n), n)...)
		b = append(b, block(6, append(body, f.data...))...)
	}
	return b
}

// filesOf returns the packets in all formats of captures.
func filesOf(frames []frame) map[string][]byte {
	le, be := binary.LittleEndian, binary.BigEndian
	return map[string][]byte{
		"pcap":                         captureOf(le, pcapMicroseconds, frames),
		"big-endian pcap":              captureOf(be, pcapMicroseconds, frames),
		"pcap of nanoseconds":          captureOf(le, pcapNanoseconds, frames),
		"big-endian pcap, nanoseconds": captureOf(be, pcapNanoseconds, frames),
		"modified pcap":                captureOf(le, pcapModified, frames),
		"pcapng":                       pcapngFile(frames),
	}
}

// chunked returns b in the chunks of HTTP/1.1.
func chunked(b []byte, n int) []byte {
	var chunks []byte
	for part := range slices.Chunk(b, n) {
		chunks = append(fmt.Appendf(chunks, "%x\r\n", len(part)), append(part[:len(part):len(part)], "\r\n"...)...)
	}
	return append(chunks, "0\r\n\r\n"...)
}

// transfers returns the streams in which a client may send a file.
func transfers(file []byte) map[string][]byte {
	form := "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.pcap\"\r\n\r\n"
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n", n) }
	proxy2 := proxyV2Signature + "\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x16\x16\x16\x03"
	tar := make([]byte, 512)
	copy(tar, "a.pcap")
	copy(tar[257:], "ustar\x0000")
	post := "POST /upload HTTP/1.1\r\nHost: a.test\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
	return map[string][]byte{
		"file":                 file,
		"POST":                 bytesOf(post, length(len(file)), file),
		"PUT":                  bytesOf("PUT /a.pcap HTTP/1.1\r\nHost: a.test\r\ncontent-length:", fmt.Sprint(len(file)), "\r\n\r\n", file),
		"POST, chunked":        bytesOf(post, "Transfer-Encoding: chunked\r\n\r\n", chunked(file, 4000)),
		"POST, long head":      bytesOf(post, "Cookie: ", strings.Repeat("a", 3000), "\r\n", length(len(file)), file),
		"POST of a form":       bytesOf(post, "Content-Type: multipart/form-data; boundary=x\r\n", length(len(form)+len(file)+9), form, file, "\r\n--x--\r\n"),
		"GET, then POST":       bytesOf("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", post, length(len(file)), file),
		"PROXY v1":             bytesOf("PROXY TCP4 192.0.2.1 198.51.100.2 40000 80\r\n", file),
		"PROXY v1, then POST":  bytesOf("PROXY TCP4 192.0.2.1 198.51.100.2 40000 80\r\n", post, length(len(file)), file),
		"PROXY v2":             bytesOf(proxy2, file),
		"PROXY v2, then POST":  bytesOf(proxy2, post, length(len(file)), file),
		"HTTP/2":               bytesOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x40\x00\x00\x00\x00\x00\x00\x01", file),
		"after a line":         bytesOf("a.pcap\n", file),
		"after a length":       bytesOf(uint32(len(file)), file),
		"after a capture":      bytesOf(file, file),
		"tar":                  bytesOf(tar, file),
		"RTSP ANNOUNCE":        bytesOf("ANNOUNCE rtsp://a.test/a RTSP/1.0\r\nCSeq: 1\r\n", length(len(file)), file),
		"without its header":   file[24:],
		"without its 1st half": file[len(file)/2:],
	}
}

// segmentLengths are how the streams of transfers are cut.
var segmentLengths = []int{536, 1448, 1460, 8960, 65000}

// transferred returns the hellos that are found in a stream cut in segments, on Ethernet.
func transferred(t testing.TB, stream []byte, n int, syn bool) int {
	t.Helper()
	c := side{client4, server4, 0x1000}
	var packets [][]byte
	if syn {
		packets = append(packets, ipFrame(c.syn()))
	}
	for _, p := range c.segments(stream, n) {
		packets = append(packets, ipFrame(p))
	}
	return len(readAll(t, pcapOf(LinkEthernet, packets...)))
}

// helloFrames returns the frames of connections that start with hellos, in segments of n
// bytes.
func helloFrames(t testing.TB, n int) []frame {
	t.Helper()
	var frames []frame
	for i, name := range []string{"chromium-156", "firefox-153", "python-tls12", "curl-openssl-3.0"} {
		c, s := client4, server4
		if i%2 != 0 {
			c, s = client6, server6
		}
		client := side{addrPortOf(c, uint16(40000+i)), s, uint32(i) * 0x12345678}
		server := side{s, client.src, 99}
		frames = append(frames, frame{LinkEthernet, ipFrame(client.syn())})
		for _, p := range client.segments(record(realHello(t, name)), n) {
			frames = append(frames, frame{LinkEthernet, ipFrame(p)}, frame{LinkEthernet, ipFrame(server.data(0, []byte("\x16\x03\x03\x00\x02\x02\x00")))})
		}
	}
	return frames
}

// TestTransfers finds no hello in a capture that is itself transferred.
func TestTransfers(t *testing.T) {
	for name, frames := range map[string][]frame{"whole hellos": helloFrames(t, 9000), "hellos in segments": helloFrames(t, 1000)} {
		for format, file := range filesOf(frames) {
			for how, stream := range transfers(file) {
				for _, n := range segmentLengths {
					for _, syn := range []bool{true, false} {
						assert.Zero(t, transferred(t, stream, n, syn), "%s in %s, %s in segments of %d bytes, SYN %t", name, format, how, n, syn)
					}
				}
			}
		}
	}
}

// TestTransfersAtAnyCut is TestTransfers for all places where a segment may end.
func TestTransfersAtAnyCut(t *testing.T) {
	frames := helloFrames(t, 9000)[:6]
	c := side{client4, server4, 0x1000}
	for format, file := range filesOf(frames) {
		for at := 1; at < min(len(file), 1200); at++ {
			for name, stream := range map[string][]byte{"file": file, "POST": transfers(file)["POST"], "packets": file[24:]} {
				packets := all(c.syn(), c.data(0, stream[:at]), c.segmentsAt(at, stream[at:], 1460))
				require.Empty(t, readAll(t, rawPcap(packets...)), "%s of %s, cut at %d", name, format, at)
			}
		}
	}
}

// TestHelloInResponse finds no hello in what a server answers to a request, and the one
// that a server sends without a request: it may be the client of TLS.
func TestHelloInResponse(t *testing.T) {
	hello := record(realHello(t, "chromium-156"))
	client, server := side{client4, server4, 0x1000}, side{server4, client4, 0x7000}
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
	for request, hellos := range map[string]int{
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n":                 0,
		"GET /" + strings.Repeat("a", 300) + " HTTP/1.0\r\n\r\n": 0,
		"":           1,
		"a line\r\n": 1,
	} {
		packets := all(client.syn())
		if request != "" {
			packets = append(packets, client.data(0, []byte(request)))
		}
		packets = append(packets, server.data(0, []byte(answer)), server.data(len(answer), hello), client.data(len(request), nil))
		packets = append(packets, server.segmentsAt(len(answer)+len(hello), hello, 1000)...)
		assert.Len(t, readAll(t, rawPcap(packets...)), 2*hellos, "%q", request)
	}
}

// TestHelloInCall finds no hello in a file that NFS writes, and the one after a call that
// asks for TLS.
func TestHelloInCall(t *testing.T) {
	inside, hello := record(realHello(t, "firefox-153")), record(realHello(t, "chromium-156"))
	call := func(procedure uint32, body []byte) []byte {
		b := bytesOf(uint32(7), uint32(0), uint32(2), uint32(100003), uint32(3), procedure, body)
		return bytesOf(uint32(1<<31|len(b)), b)
	}
	write := call(7, bytesOf(make([]byte, 100), inside, inside))
	null := call(0, bytesOf(uint32(7), make([]byte, 12)))
	c := side{client4, server4, 0x1000}
	for _, n := range segmentLengths {
		assert.Empty(t, readAll(t, rawPcap(all(c.syn(), c.segments(write, n))...)), "%d", n)
		for _, stream := range [][]byte{bytesOf(null, hello), bytesOf(write, null, hello)} {
			hellos := readAll(t, rawPcap(all(c.syn(), c.segments(stream, n))...))
			if assert.Len(t, hellos, 1, "%d", n) {
				assert.Equal(t, hello[recordHeader:], []byte(hellos[0].Message))
			}
		}
	}
}

// TestHelloInText finds no hello between lines of text, in a segment that goes on with
// something else than TLS, whether or not the start of the connection is known.
func TestHelloInText(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	c := side{client4, server4, 0x1000}
	text := bytesOf("CONNECTED(00000003)\n>>> TLS 1.0, RecordHeader [length 0005]\n", hello, "\n<<< TLS 1.3\n")
	assert.Empty(t, readAll(t, rawPcap(c.syn(), c.data(0, text))))
	assert.Empty(t, readAll(t, rawPcap(c.data(0, text))))
}

// TestHelloInBody finds no hello that is itself the body of a message, and the one that
// follows the message.
func TestHelloInBody(t *testing.T) {
	inside, hello := record(realHello(t, "firefox-153")), record(realHello(t, "chromium-156"))
	c := side{client4, server4, 0x1000}
	connect := "CONNECT b.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n"
	for _, test := range []struct {
		name, head string
		body, rest []byte
		hellos     int
	}{
		{"POST", "POST / HTTP/1.1\r\nContent-Length: " + fmt.Sprint(len(inside)) + "\r\n\r\n", inside, nil, 0},
		{"POST, then CONNECT", "POST / HTTP/1.1\r\nContent-Length: " + fmt.Sprint(len(inside)) + "\r\n\r\n", inside, bytesOf(connect, hello), 1},
		{"POST without a body, then a hello", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", nil, hello, 1},
		{"GET with Upgrade", "GET / HTTP/1.1\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n", nil, hello, 1},
		{"GET with a body", "GET / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n", inside, nil, 0},
		{"CONNECT", connect, nil, hello, 1},
		{"chunked", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(inside, 5000), nil, 0},
		{"a long body, then CONNECT", "PUT / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", bytesOf(inside, make([]byte, 100000-len(inside))), hello, 1},
		{"ICAP", "REQMOD icap://a.test/ ICAP/1.0\r\nEncapsulated: req-hdr=0, req-body=100\r\n\r\n", inside, nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			head, end := len(test.head), len(test.head)+len(test.body)
			for how, packets := range map[string][][]byte{
				"by parts":    all(c.data(0, []byte(test.head)), c.segmentsAt(head, test.body, 1460), c.segmentsAt(end, test.rest, 1460)),
				"1460 bytes":  c.segments(bytesOf(test.head, test.body, test.rest), 1460),
				"one segment": c.segments(bytesOf(test.head, test.body, test.rest), 65000),
			} {
				hellos := readAll(t, rawPcap(all(c.syn(), packets)...))
				require.Len(t, hellos, test.hellos, how)
				if test.hellos > 0 {
					assert.Equal(t, hello[recordHeader:], []byte(hellos[0].Message), how)
				}
				if test.hellos == 0 && (how != "by parts" || strings.HasPrefix(test.head, "POST")) {
					assert.Empty(t, readAll(t, rawPcap(packets...)), "%s, without SYN", how)
				}
			}
		})
	}
}

// TestTransferEnds: a new connection on the same ports is no transfer.
func TestTransferEnds(t *testing.T) {
	file := captureOf(binary.LittleEndian, pcapMicroseconds, helloFrames(t, 9000))
	hello := record(realHello(t, "chromium-156"))
	c, again := side{client4, server4, 0x1000}, side{client4, server4, 0x9000_0000}
	for name, packets := range map[string][][]byte{
		"SYN":     all(c.syn(), c.segments(file, 1460), again.syn(), again.data(0, hello)),
		"FIN":     all(c.syn(), c.segments(file, 1460), c.at(len(file), tcpFIN|tcpACK, nil), again.data(0, hello)),
		"no hole": all(c.syn(), c.syn(), c.segments(file, 1460), again.syn(), again.data(0, hello)),
	} {
		assert.Len(t, readAll(t, rawPcap(packets...)), 1, name)
	}
}

// TestRandomSegments finds nothing in random segments. The number of false hellos to be
// expected in a million is below 0.01.
func TestRandomSegments(t *testing.T) { assert.Zero(t, randomHellos(t, 20000)) }

// randomHellos returns the number of hellos in n random segments.
func randomHellos(t testing.TB, n int) int {
	r := rand.New(rand.NewPCG(17, 18))
	b := make([]byte, 1464)
	var packets [][]byte
	hellos := 0
	for i := range n {
		for j := 0; j < len(b); j += 8 {
			binary.LittleEndian.PutUint64(b[j:], r.Uint64())
		}
		c := side{addrPort(client4, i>>2&0xffff), server4, 1}
		if i&3 == 0 {
			packets = append(packets, ipFrame(c.syn()))
		}
		packets = append(packets, ipFrame(c.data(i&3*len(b), b[:1+r.IntN(len(b))])))
		if len(packets) > 1000 {
			hellos += len(readAll(t, pcapOf(LinkEthernet, packets...)))
			packets = packets[:0]
		}
	}
	return hellos
}
