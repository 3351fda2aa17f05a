package capture

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// A replay is the server's end of a connection whose client sends bytes and then
// closes its end.
type replay struct {
	net.Conn // nil, as no other method is called
	in       *bytes.Reader
	out      bytes.Buffer
}

func (c *replay) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *replay) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *replay) Close() error                     { return nil }
func (c *replay) SetWriteDeadline(time.Time) error { return nil }

// serverConfig returns a configuration with a certificate, for TLS 1.0 and later.
func serverConfig(t *testing.T) *tls.Config {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Config{
		MinVersion:   tls.VersionTLS10,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}
}

// accepts reports whether crypto/tls answers a stream with a handshake message.
func accepts(t *testing.T, config *tls.Config, stream []byte) bool {
	conn := &replay{in: bytes.NewReader(stream)}
	err := tls.Server(conn, config).Handshake()
	require.Error(t, err) // because the client does not answer
	answer, err := conn.out.ReadByte()
	if err == io.EOF {
		return false
	}
	require.NoError(t, err)
	return answer == recordHandshake
}

// withoutExtension returns a hello without some types of extensions.
func withoutExtension(t *testing.T, message []byte, types ...parser.ExtensionType) []byte {
	h, err := parser.Parse(message)
	require.NoError(t, err)
	var kept [][]byte
	for _, e := range h.Extensions {
		if !slices.Contains(types, e.Type) {
			kept = append(kept, hellotest.Extension(e.Type, e.Data))
		}
	}
	return hellotest.Message(h.LegacyVersion, h.CipherSuites, kept...)
}

// TestLegacyVersion finds a hello that crypto/tls answers, whatever its legacy_version
// and the version of its records.
func TestLegacyVersion(t *testing.T) {
	config := serverConfig(t)
	usual := realHello(t, "go-1.26")
	tls12 := withoutExtension(t, usual, parser.ExtSupportedVersions, parser.ExtKeyShare)
	bare := hellotest.Message(parser.VersionTLS12, []parser.CipherSuite{0x002f, 0x0035, 0x00ff}) // without extensions crypto/tls uses RSA key exchange
	s := side{client4, server4, 1}
	preface := []byte("CONNECT x:443 HTTP/1.1\r\n\r\n")
	versions := []uint16{0, 1, 2, 0x00ff, 0x0100, 0x0200, 0x02ff, 0x0300, 0x0301, 0x0305, 0x03ff, 0x0400, 0x0404, 0x0a0a, 0x7f1c, 0xfefd, 0xfeff, 0xffff}
	found, refused := 0, 0
	for _, hello := range [][]byte{usual, tls12, bare} {
		for _, version := range versions {
			message := slices.Clone(hello)
			binary.BigEndian.PutUint16(message[4:], version)
			for _, recordVersion := range []uint16{0, 0x0301, 0x0303, 0x0fff, 0x1000, 0xfefd} {
				stream := record(message)
				binary.BigEndian.PutUint16(stream[1:], recordVersion)
				var pieces []byte // records of one byte
				for _, b := range message {
					pieces = append(pieces, recordHandshake, byte(recordVersion>>8), byte(recordVersion), 0, 1, b)
				}
				answered := accepts(t, config, stream)
				require.Equal(t, answered, accepts(t, config, pieces))
				for how, packets := range map[string][][]byte{
					"one segment":                     all(s.syn(), s.data(0, stream)),
					"one segment, without SYN":        all(s.data(0, stream)),
					"segments of 100 bytes":           all(s.syn(), s.segments(stream, 100)),
					"1-byte segments":                 all(s.syn(), s.segments(stream, 1)),
					"1-byte records":                  all(s.syn(), s.data(0, pieces)),
					"1-byte records, without SYN":     all(s.segments(pieces, 500)),
					"after a preface, one segment":    all(s.syn(), s.data(0, bytesOf(preface, stream))),
					"after a preface":                 all(s.syn(), s.data(0, preface), s.segmentsAt(len(preface), stream, 60)),
					"1-byte records, after a preface": all(s.syn(), s.data(0, bytesOf(preface, pieces))),
				} {
					got := readAll(t, rawPcap(packets...))
					if version>>8 == 3 && recordVersion < 0x1000 || answered {
						require.Len(t, got, 1, "legacy_version %04x in records of %04x, %s", version, recordVersion, how)
						require.Equal(t, string(message), got[0].Message)
						found++
					} else {
						require.Empty(t, got, "legacy_version %04x in records of %04x, %s", version, recordVersion, how)
						refused++
					}
				}
			}
		}
	}
	assert.Greater(t, found, 1000)
	assert.Greater(t, refused, 500)
}

// TestUnusualVersionElsewhere finds hellos with an unusual legacy_version in OpenVPN
// and EAP.
func TestUnusualVersionElsewhere(t *testing.T) {
	message := realHello(t, "go-1.26")
	message[4], message[5] = 4, 4
	server := side{server4, client4, 77}
	hello := record(message)
	n := len(hello)
	vpn := vpnPackets(message, 20, 0)
	for i, p := range vpn {
		vpn[i] = udp(client4, server4, p)
	}
	s := side{client4, server4, 0x1000}
	for name, test := range map[string]struct {
		packets [][]byte
		want    int
	}{
		"a second hello": {all(s.syn(), s.data(0, hello), server.data(0, []byte("x")), s.data(n, hrrHello(message))), 2},
		"OpenVPN":        {vpn, 1},
		"EAP":            {all(udp(client4, server4, accessRequest("a", eapPacket(2, eapPEAP, 0, nil, hello)))), 1},
	} {
		got := readAll(t, rawPcap(test.packets...))
		assert.Len(t, got, test.want, name)
	}
}

// TestUnusualVersionHidesNothing finds a hello after a preface whose last bytes and
// the first bytes of the hello look like another hello with an unusual legacy_version.
func TestUnusualVersionHidesNothing(t *testing.T) {
	message := withoutExtension(t, realHello(t, "python-tls12"), parser.ExtServerName)
	require.Less(t, len(message), 256) // otherwise the length of the record is no message type and length
	for i := range message[6:38] {
		message[6+i] = 0x10
	}
	message[35] = 0 // where the length of the session id would be
	// A SOCKS request that ends with the first bytes of a record.
	stream := bytesOf("\x05\x01\x00\x01\x0a\x00\x00\x16\x01\xbb", record(message))
	require.Equal(t, unusual, sniff(stream[7:]))
	s := side{client4, server4, 1}
	for n := 1; n <= len(stream); n++ {
		hellos := readAll(t, rawPcap(all(s.syn(), s.segments(stream, n))...))
		require.Len(t, hellos, 1, n)
		require.Equal(t, string(message), hellos[0].Message)
	}
}

// TestUnusualVersionAtRandom finds no hello in random bytes after the headers of a
// record and of a hello with an unusual legacy_version.
func TestUnusualVersionAtRandom(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(11, 12))
	segment := side{client4, server4, 1}.data(0, make([]byte, 600))
	b := segment[40:]
	sc := newScanner(new(Reader), func(*Hello) error { return nil })
	begun := 0
	for i := range 1_000_000 {
		for j := 0; j+8 <= len(b); j += 8 {
			binary.LittleEndian.PutUint64(b[j:], r.Uint64())
		}
		copy(b, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
		if b[9] == tlsMajor {
			b[9]++
		}
		b[recordHeader+messageHeader+2+32] &= 0x1f // a session id that servers accept
		if sniff(b) != noHello {
			begun++
		}
		segment[12], segment[13], segment[14] = byte(i>>16), byte(i>>8), byte(i)
		sc.packet = packet{data: segment, wire: len(segment), link: LinkRaw, stamp: stamp{rate: 1}}
		sc.scan()
	}
	sc.finish()
	assert.Zero(t, sc.stats.Hellos)
	assert.Less(t, begun, 30)
}
