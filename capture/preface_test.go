package capture

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// prefaces are what clients send before a hello, in the same segment if they do not wait
// for the answer.
var prefaces = map[string][]byte{
	"SMTP":                    []byte("STARTTLS\r\n"),
	"SMTP, lower case":        []byte("starttls\r\n"),
	"SMTP with EHLO":          []byte("EHLO a-long-name-of-a-client.mail.example.test\r\nSTARTTLS\r\n"),
	"LMTP":                    []byte("LHLO a.test\r\nSTARTTLS\r\n"),
	"IMAP":                    []byte("a001 STARTTLS\r\n"),
	"IMAP, three commands":    []byte("1 CAPABILITY\r\n2 NOOP\r\n3 STARTTLS\r\n"),
	"POP3":                    []byte("STLS\r\n"),
	"FTP":                     []byte("AUTH TLS\r\n"),
	"NNTP with LF":            []byte("STARTTLS\n"),
	"IRC":                     []byte("CAP LS 302\r\nSTARTTLS\r\n"),
	"XMPP":                    []byte("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
	"XMPP with its stream":    []byte("<stream:stream xmlns='jabber:client' to='a.test' version='1.0'><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
	"LDAP":                    []byte("\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"),
	"PostgreSQL":              []byte("\x00\x00\x00\x08\x04\xd2\x16\x2f"),
	"PostgreSQL, GSS and TLS": []byte("\x00\x00\x00\x08\x04\xd2\x16\x30\x00\x00\x00\x08\x04\xd2\x16\x2f"),
	"MySQL":                   bytesOf("\x20\x00\x00\x01\x05\xae\xff\x01\x00\x00\x00\x01\xff", make([]byte, 23)),
	"MySQL 4.0":               []byte("\x05\x00\x00\x01\x05\x8a\x00\x00\x40"),
	"AMQP":                    []byte("AMQP\x02\x01\x00\x00"),
	"RDP":                     []byte("\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b\x00\x00\x00"),
	"SOCKS 4":                 []byte("\x04\x01\x01\xbb\xc0\x00\x02\x01user\x00"),
	"SOCKS 4a":                []byte("\x04\x01\x01\xbb\x00\x00\x00\x01\x00b.test\x00"),
	"SOCKS 5":                 []byte("\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb"),
	"SOCKS 5 with a name":     []byte("\x05\x01\x00\x03\x06b.test\x01\xbb"),
	"SOCKS 5 with a password": []byte("\x05\x02\x00\x02\x01\x01u\x01p\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb"),
	"CONNECT":                 []byte("CONNECT b.test:443 HTTP/1.1\r\nHost: b.test\r\nUser-Agent: " + strings.Repeat("a", 200) + "\r\n\r\n"),
	"PROXY v1":                []byte("PROXY TCP6 2001:db8::1 2001:db8:1111:2222:3333:4444:5555:6666 40000 443\r\n"),
	"PROXY v2":                []byte(proxyV2Signature + "\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x16\x16\x16\x03"),
	"PROXY v1 and STARTTLS":   []byte("PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\r\nSTARTTLS\r\n"),
	"PROXY v2 and CONNECT":    []byte(proxyV2Signature + "\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x16\x16\x16\x03CONNECT b.test:443 HTTP/1.1\r\n\r\n"),
	"Telnet":                  []byte("\xff\xfa\x2e\x01\xff\xf0"),
	"CONNECT after GET":       []byte("GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\nCONNECT b.test:443 HTTP/1.1\r\nHost: b.test\r\n\r\n"),
	"Upgrade":                 []byte("GET / HTTP/1.1\r\nHost: b.test\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n"),
	"Upgrade, OPTIONS":        []byte("OPTIONS * HTTP/1.1\r\nHost: b.test\r\nUpgrade: TLS/1.2, TLS/1.1\r\nConnection: Upgrade\r\n\r\n"),
	"NBD":                     []byte("\x00\x00\x00\x03IHAVEOPT\x00\x00\x00\x05\x00\x00\x00\x00"),
	"PCEP":                    []byte("\x20\x0d\x00\x04"),
	"VNC":                     []byte("RFB 003.008\n\x13\x00\x02\x00\x00\x01\x04"),
}

// TestPrefaces finds the hello after a preface in the same segment, whether or not the
// capture has the SYN of the connection.
func TestPrefaces(t *testing.T) {
	for _, name := range []string{"chromium-156", "python-tls12"} {
		message := realHello(t, name)
		hello := record(message)
		c := side{client4, server4, 0xffff_fff0}
		for what, preface := range prefaces {
			stream := bytesOf(preface, hello)
			n := len(preface)
			for how, packets := range map[string][][]byte{
				"one segment":                all(c.data(0, stream)),
				"one segment, with SYN":      all(c.syn(), c.data(0, stream)),
				"two segments":               all(c.data(0, stream[:n+100]), c.data(n+100, stream[n+100:])),
				"two segments, second first": all(c.data(n+100, stream[n+100:]), c.data(0, stream[:n+100])),
				"one byte of the record":     all(c.data(0, stream[:n+1]), c.data(n+1, stream[n+1:])),
				"two bytes of the record":    all(c.data(0, stream[:n+2]), c.data(n+2, stream[n+2:])),
				"retransmitted":              all(c.data(0, stream), c.data(0, stream), c.data(0, stream[:n])),
				"after other data":           all(c.data(-500, make([]byte, 500)), c.data(0, stream)),
			} {
				for _, link := range []LinkType{LinkEthernet, LinkRaw} {
					frames := slices.Clone(packets)
					for i := range frames {
						if link == LinkEthernet {
							frames[i] = ipFrame(frames[i])
						}
					}
					var prefixes []int64
					_, err := Read(t.Context(), file(pcapOf(link, frames...)), func(h *Hello) error {
						assert.Equal(t, string(message), string(h.ClientHello.Raw), "%s, %s", what, how)
						prefixes = append(prefixes, h.Prefix)
						return nil
					})
					require.NoError(t, err)
					assert.Equal(t, []int64{int64(n)}, prefixes, "%s, %s, %s", name, what, how)
				}
			}
		}
	}
}

// TestCutPrefaces finds the hello after a preface that goes on in a second segment, at
// all places where the first one is certain to have a part of a preface.
func TestCutPrefaces(t *testing.T) {
	hello := record(realHello(t, "chromium-156"))
	c := side{client4, server4, 0xffff_fff0}
	for what, shortest := range map[string]int{
		"CONNECT": 8, "PROXY v1": 8, "PROXY v2": 8, "SMTP with EHLO": 8, "RDP": 8, "MySQL": 8, "MySQL 4.0": 8, "NBD": 8,
		"SMTP": 5, "POP3": 5, "FTP": 5, "PROXY v1 and STARTTLS": 8, "CONNECT after GET": 69,
	} {
		n := len(prefaces[what])
		stream := bytesOf(prefaces[what], hello)
		for at := shortest; at < n; at++ {
			if stream[at-1] == '\n' {
				continue // what ends with a line may be whole
			}
			packets := all(ipFrame(c.data(0, stream[:at])), ipFrame(c.data(at, stream[at:])))
			assert.Len(t, readAll(t, pcapOf(LinkEthernet, packets...)), 1, "%s, cut at %d of %d", what, at, n)
		}
	}
}

// TestNoPreface: other bytes do not lead to a hello in a connection whose start is not in
// the capture.
func TestNoPreface(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	c := side{client4, server4, 7}
	for _, before := range []string{
		"\x00", "\x00\x00\x00\x09\x04\xd2\x16\x2f", "\x20\x00\x00\x02", "220 a.test\r\nx", "\x04\x02\x01\xbb\xc0\x00\x02\x01user\x00",
		"GET / HTTP/1.1\r\nHost: a.test\r\n\r\nabc", "\x05\x00", "STARTTLS\r\n\x80", "\x03\x00\x00\x13\x0e\xd0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x0b\x00\x00\x00",
		strings.Repeat("a line\r\n", maxPrefaces+1),
	} {
		assert.Empty(t, readAll(t, rawPcap(c.data(0, bytesOf(before, hello)))), "%q", before)
	}
}

// TestTinyStart finds a hello whose first segment is very short, without SYN.
func TestTinyStart(t *testing.T) {
	for _, name := range []string{"chromium-156", "python-tls12"} {
		message := realHello(t, name)
		hello := record(message)
		c := side{client4, server4, 0xffff_fff8}
		for n := 1; n <= minStart; n++ {
			first, second, rest := c.data(0, hello[:n]), c.data(n, hello[n:200]), c.data(200, hello[200:])
			for how, packets := range map[string][][]byte{
				"in order":      all(first, second, rest),
				"retransmitted": all(first, first, second, first, second, rest),
				"swapped":       all(first, rest, second),
				"first last":    all(second, rest, first),
				"reversed":      all(rest, second, first),
			} {
				for i := range packets {
					packets[i] = ipFrame(packets[i])
				}
				hellos := readAll(t, pcapOf(LinkEthernet, packets...))
				require.Len(t, hellos, 1, "%s, %d bytes, %s", name, n, how)
				assert.Equal(t, string(message), hellos[0].Message)
			}
		}
	}
}

// permutations calls f with each order of packets.
func permutations(packets [][]byte, n int, f func([][]byte)) {
	if n == len(packets) {
		f(packets)
		return
	}
	for i := n; i < len(packets); i++ {
		packets[n], packets[i] = packets[i], packets[n]
		permutations(packets, n+1, f)
		packets[n], packets[i] = packets[i], packets[n]
	}
}

// TestOrderWithoutSYN finds a hello in segments in any order, whose connection is not
// known before, between other packets, in captures of several formats.
func TestOrderWithoutSYN(t *testing.T) {
	message := realHello(t, "chromium-156")
	hello := record(message)
	other := side{addrPortOf(client4, 999), server4, 5}
	for _, addrs := range [][2]side{{{client4, server4, 0xffff_fd00}, {server4, client4, 9}}, {{client6, server6, 0x1000}, {server6, client6, 9}}} {
		client, server := addrs[0], addrs[1]
		for n := 2; n <= 4; n++ {
			permutations(client.segments(hello, (len(hello)+n-1)/n), 0, func(order [][]byte) {
				for _, between := range []int{0, 1, 12} {
					var raw [][]byte
					for _, p := range order {
						raw = append(raw, p)
						for i := range between {
							raw = append(raw, server.data(i*1000, []byte("\x17\x03\x03\x00\x10")), other.data(i*1000, make([]byte, 1000)))
						}
						raw = append(raw, order[0])
					}
					var frames []frame
					for _, p := range raw {
						frames = append(frames, frame{LinkEthernet, ipFrame(p)})
					}
					for format, file := range map[string][]byte{
						"raw":    rawPcap(raw...),
						"pcap":   captureOf(binary.LittleEndian, pcapMicroseconds, frames),
						"big":    captureOf(binary.BigEndian, pcapMicroseconds, frames),
						"pcapng": pcapngFile(frames),
					} {
						hellos := readAll(t, file)
						require.Len(t, hellos, 1, "%s, %d segments, %d packets between", format, n, between)
						assert.Equal(t, string(message), hellos[0].Message)
					}
				}
			})
		}
	}
}

// TestLookBackIsLinear requires that a capture in which each packet starts a hello in a
// connection of its own costs no more than a few packets looked at for each.
func TestLookBackIsLinear(t *testing.T) {
	hello := record(realHello(t, "chromium-156"))
	s := newScanner(new(Reader), func(*Hello) error { return nil })
	var packets [][]byte
	for i := range 20000 {
		c := side{addrPort(client4, i), server4, 5}
		packets = append(packets, ipFrame(c.data(0, hello[:100])), ipFrame(c.data(5000, make([]byte, 20))))
	}
	w := &window{ctx: t.Context(), r: file(pcapOf(LinkEthernet, packets...)), buf: make([]byte, firstBlock)}
	require.NoError(t, s.read(w, 0))
	assert.Positive(t, s.earlier.walked)
	assert.LessOrEqual(t, s.earlier.walked, 4*int64(len(packets))+5000)
}

// FuzzAfterPrefaces requires that prefaces are within the segment, and that a record
// follows them.
func FuzzAfterPrefaces(f *testing.F) {
	for _, p := range prefaces {
		f.Add(bytesOf(p, "\x16\x03\x01\x00\x10"))
	}
	r := rand.New(rand.NewPCG(21, 22))
	f.Add(fmt.Appendf(nil, "POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n", r.Uint32()))
	f.Fuzz(func(t *testing.T, p []byte) {
		at, transfer := afterPrefaces(p)
		require.GreaterOrEqual(t, at, 0)
		if at > 0 && at < len(p) && !transfer {
			require.Equal(t, uint8(recordHandshake), p[at])
		}
		head, _ := messageLengths(p)
		require.LessOrEqual(t, head, len(p))
		require.LessOrEqual(t, proxyHeaderLen(p), len(p))
	})
}
