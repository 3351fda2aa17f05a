package parser

import (
	"bufio"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// readHellos returns the hellos of testdata/hellos.txt by name.
func readHellos(t testing.TB) map[string]*ClientHello {
	f, err := os.Open("../testdata/hellos.txt")
	require.NoError(t, err)
	defer f.Close()
	hellos := make(map[string]*ClientHello)
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		line := strings.Fields(s.Text())
		require.Len(t, line, 3)
		msg, err := hex.DecodeString(line[2])
		require.NoError(t, err, line[0])
		transport, ok := ParseTransport(line[1])
		require.True(t, ok, line[1])
		h := &ClientHello{Transport: transport}
		require.NoError(t, h.Unmarshal(msg), line[0])
		hellos[line[0]] = h
	}
	require.NoError(t, s.Err())
	require.NotEmpty(t, hellos)
	return hellos
}

// records splits msg over records of at most n bytes.
func records(msg []byte, n int) []byte {
	var b []byte
	for len(msg) > 0 {
		m := msg[:min(n, len(msg))]
		b = append(b, tlsrecord.Handshake, 3, 1, byte(len(m)>>8), byte(len(m)))
		b = append(b, m...)
		msg = msg[len(m):]
	}
	return b
}

func TestRecordAssemblerEverySplit(t *testing.T) {
	for name, h := range readHellos(t) {
		want := h.Raw
		for _, size := range []int{1, 2, 3, 4, 5, 100, 16384} {
			stream := append(records(want, size), tlsrecord.Handshake, 3, 3)
			for _, step := range []int{1, 7, 1448, len(stream)} {
				var a RecordAssembler
				var msg []byte
				used := 0
				for i := 0; i < len(stream) && msg == nil; i += step {
					var n int
					var err error
					msg, n, err = a.Next(stream[i:min(i+step, len(stream))])
					require.NoError(t, err)
					used += n
				}
				require.Equal(t, want, msg, name)
				require.Equal(t, len(stream)-3, used)
				require.Equal(t, (len(want)+size-1)/size, a.Records())
			}
		}
	}
}

func TestRecordAssemblerSkips(t *testing.T) {
	hellos := readHellos(t)
	first, second := hellos["firefox-153"].Raw, hellos["firefox-153-hrr"].Raw
	ccs := []byte{tlsrecord.ChangeCipherSpec, 3, 3, 0, 1, 1}
	warning := []byte{tlsrecord.Alert, 3, 1, 0, 2, 1, 112}
	empty := []byte{tlsrecord.Handshake, 3, 1, 0, 0}
	early := []byte{tlsrecord.ApplicationData, 3, 3, 0, 3, 0xaa, 0xbb, 0xcc}
	stream := slices.Concat(warning, empty, records(first, 700), ccs, early, records(second[:100], 100), empty, records(second[100:], 16384))
	for _, step := range []int{1, 3, len(stream)} {
		a := RecordAssembler{AllowEarlyData: true}
		var got [][]byte
		var counts []int
		for rest := stream; len(rest) > 0; {
			msg, n, err := a.Next(rest[:min(step, len(rest))])
			require.NoError(t, err)
			rest = rest[n:]
			if msg != nil {
				got = append(got, slices.Clone(msg))
				counts = append(counts, a.Records())
				require.Zero(t, a.Buffered())
				require.Nil(t, a.Pending())
			}
		}
		assert.Equal(t, [][]byte{first, second}, got)
		assert.Equal(t, []int{3, 2}, counts)
		assert.Equal(t, VersionTLS10, a.RecordVersion())
	}
	var a RecordAssembler
	_, _, err := a.Next(early)
	assert.EqualError(t, err, "parser: record.type: not TLS at byte 0")
}

func TestRecordAssemblerTwoMessagesInARecord(t *testing.T) {
	one, two := readHellos(t)["nmap-sV"].Raw, readHellos(t)["python-tls12"].Raw
	want := assembled{msgs: [][]byte{one, two}, versions: []Version{VersionTLS10, VersionTLS10}, records: []int{1, 1}}
	stream := records(slices.Concat(one, two), 16384)
	want.used = len(stream)
	for _, cuts := range [][]byte{nil, {0}, {7}, {90}} {
		assert.Equal(t, want, assemble(stream, cuts))
	}
}

func TestRecordAssemblerSSLv2(t *testing.T) {
	for _, step := range []int{1, 5, 100} {
		var a RecordAssembler
		var msg []byte
		used := 0
		for rest := append(slices.Clone(sslv2Hello), 1, 2, 3); msg == nil; {
			var n int
			var err error
			msg, n, err = a.Next(rest[:min(step, len(rest))])
			require.NoError(t, err)
			rest = rest[n:]
			used += n
		}
		assert.Equal(t, sslv2Hello, msg)
		assert.Equal(t, len(sslv2Hello), used)
		assert.Equal(t, 1, a.Records())
		assert.Zero(t, a.RecordVersion())
		h, err := Parse(msg)
		require.NoError(t, err)
		assert.True(t, h.SSLv2)
		assert.Equal(t, []CipherSpec{0x010080, 0x2f, 0x05}, h.CipherSpecs)
		assert.Equal(t, fromHex("aabbccdd"), h.LegacySessionID)
		assert.Len(t, h.Random, 16)
	}
	patch := func(at int, b ...byte) []byte {
		p := slices.Clone(sslv2Hello)
		copy(p[at:], b)
		return p
	}
	for want, msg := range map[string][]byte{
		"parser: msg_type: not a ClientHello at byte 2":   patch(2, 4),
		"parser: cipher_specs: truncated at byte 40":      patch(5, 1, 0),
		"parser: cipher_specs: truncated at byte 19":      patch(6, 8),
		"parser: session_id: truncated at byte 40":        patch(7, 1),
		"parser: challenge: truncated at byte 40":         patch(9, 1),
		"parser: msg_length: trailing bytes at byte 39":   patch(10, 15),
		"parser: msg_length: truncated at byte 40":        patch(1, 0x27),
		"parser: cipher_spec_length: truncated at byte 6": sslv2Hello[:6],
	} {
		_, err := Parse(msg)
		assert.EqualError(t, err, want)
		requireTiles(t, Dissect(&ClientHello{Raw: msg}), msg)
	}
}

func TestRecordAssemblerErrors(t *testing.T) {
	for stream, want := range map[string]string{
		"GET / HTTP/1.1":                               "parser: record.type: not TLS at byte 0",
		"\x16\x10":                                     "parser: record.legacy_record_version: not TLS at byte 1",
		"\x16\x03\x01\x48\x01":                         "parser: record.length: record over 18432 bytes at byte 3",
		"\x15\x03\x01\x00\x03":                         "parser: record.length: alert in place of a ClientHello at byte 3",
		"\x15\x03\x01\x00\x02\x02\x28":                 "parser: alert.level: alert in place of a ClientHello at byte 5",
		"\x16\x03\x01\x00\x04\x02":                     "parser: msg_type: not a ClientHello at byte 5",
		"\x16\x03\x01\x00\x05\x01\x01\x00\x01\x00":     "parser: length: message over 65536 bytes at byte 6",
		"\x80\x2e\x02":                                 "parser: record.type: not TLS at byte 0",
		"\x80\x2e\x01\x05":                             "parser: record.type: not TLS at byte 0",
		"\x80\x08\x01\x03\x01\x00\x03\x00\x00\x00\x10": "parser: msg_length: truncated at byte 0",
	} {
		for _, cuts := range [][]byte{nil, {0}} {
			got := assemble([]byte(stream), cuts)
			require.Error(t, got.err, "%q", stream)
			assert.EqualError(t, got.err, want, "%q", stream)
		}
		var a RecordAssembler
		_, _, err := a.Next([]byte(stream))
		_, n, again := a.Next([]byte{tlsrecord.Handshake})
		assert.Equal(t, err, again, "an error is final")
		assert.Zero(t, n)
	}
}

func TestRecordAssemblerBounds(t *testing.T) {
	msg := make([]byte, headerLen+tlsrecord.MaxMessage)
	msg[0], msg[1] = tlsrecord.ClientHello, tlsrecord.MaxMessage>>16
	for _, size := range []int{1, 16384} {
		got := assemble(records(msg, size), nil)
		require.NoError(t, got.err)
		assert.Equal(t, [][]byte{msg}, got.msgs)
		assert.Equal(t, []int{(len(msg) + size - 1) / size}, got.records)
	}
	var a RecordAssembler
	stream := records(msg, 16384)
	_, _, err := a.Next(stream[:100])
	require.NoError(t, err)
	assert.Equal(t, 95, a.Buffered())
	assert.Equal(t, msg[:95], a.Pending())
	assert.Less(t, cap(a.buf), 256, "an announced length takes no memory")
	a.Reset()
	assert.Zero(t, a.Buffered())
	got, _, err := a.Next(records(readHellos(t)["nmap-sV"].Raw, 9))
	require.NoError(t, err)
	assert.NotNil(t, got)
}

func TestRecordAssemblerAllocs(t *testing.T) {
	stream := records(readHellos(t)["chromium-156"].Raw, 300)
	var a RecordAssembler
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		a.Reset()
		if msg, _, _ := a.Next(stream); msg == nil {
			panic("no message")
		}
	}))
}

// TestRecordAssemblerReadsRecordsAtOnce compares with reading one byte at a time,
// where no record is read whole, over streams that were changed at random.
func TestRecordAssemblerReadsRecordsAtOnce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	hello := readHellos(t)["chromium-156"].Raw
	whole, failed := 0, 0
	for range 3000 {
		var stream []byte
		for rest := hello; len(rest) > 0; {
			n := min(len(rest), 1+rnd.IntN(1<<rnd.IntN(10)))
			stream = append(stream, records(rest[:n], 1<<rnd.IntN(9))...)
			rest = rest[n:]
			switch rnd.IntN(40) {
			case 0:
				stream = append(stream, tlsrecord.Handshake, 3, 1, 0, 0)
			case 1:
				stream = append(stream, tlsrecord.Alert, 3, 1, 0, 2, 1, 112)
			case 2:
				stream = append(stream, tlsrecord.ChangeCipherSpec, 3, 3, 0, 1, 1)
			}
		}
		stream = append(stream, stream[:rnd.IntN(len(stream))]...)
		if rnd.IntN(3) == 0 {
			stream[rnd.IntN(len(stream))] ^= byte(1 + rnd.IntN(255))
		}
		want := assemble(stream, []byte{0})
		for _, cuts := range [][]byte{nil, {5}, {6, 40}, {byte(rnd.IntN(256)), byte(rnd.IntN(256))}} {
			require.Equal(t, want, assemble(stream, cuts), "%x, cut by %v", stream, cuts)
		}
		if whole += len(want.msgs); want.err != nil {
			failed++
		}
	}
	assert.Greater(t, whole, 1000)
	assert.Greater(t, failed, 200)
}

// TestRecordAssemblerDetach keeps messages, some of which lie in the assembler.
func TestRecordAssemblerDetach(t *testing.T) {
	hellos := readHellos(t)
	var a RecordAssembler
	assert.False(t, a.Detach(), "there is no message")
	var kept [][]byte
	var want [][]byte
	for i, name := range []string{"chromium-156", "nmap-sV", "firefox-153", "python-tls12"} {
		size := []int{16384, 20}[i%2]
		stream := records(hellos[name].Raw, size)
		msg, n, err := a.Next(stream)
		require.NoError(t, err)
		require.Equal(t, len(stream), n)
		assert.Equal(t, size == 20, a.Detach(), name)
		kept, want = append(kept, msg), append(want, hellos[name].Raw)
	}
	assert.Equal(t, want, kept)
	_, _, err := a.Next(records(hellos["nmap-sV"].Raw, 10)[:100])
	require.NoError(t, err)
	assert.False(t, a.Detach(), "it is not whole")
	assert.NotZero(t, a.Buffered())
}

// TestRecordAssemblerTakesWhatItNeeds: a message whose records are all there takes as
// much memory as it has bytes.
func TestRecordAssemblerTakesWhatItNeeds(t *testing.T) {
	msg := make([]byte, 1<<16)
	msg[0], msg[1], msg[2], msg[3] = tlsrecord.ClientHello, 0, 0xff, 0xfc
	for _, size := range []int{1, 50, 16384} {
		var a RecordAssembler
		got, _, err := a.Next(records(msg, size))
		require.NoError(t, err)
		require.Len(t, got, len(msg))
		assert.LessOrEqual(t, cap(got), len(msg)+8192, "records of %d bytes", size)
	}
	var a RecordAssembler
	_, _, err := a.Next(records(msg, 1)[:6000])
	require.NoError(t, err)
	assert.Equal(t, 1000, a.Buffered())
	assert.LessOrEqual(t, cap(a.buf), 1024, "the rest was headers")
	a.Reset()
	for rest := records(msg, 1); len(rest) > 1; {
		n := min(576, len(rest)-1)
		_, _, err := a.Next(rest[:n])
		require.NoError(t, err)
		rest = rest[n:]
	}
	assert.Equal(t, len(msg)-1, a.Buffered())
	assert.LessOrEqual(t, cap(a.buf), len(msg), "a message that is not whole")
}
