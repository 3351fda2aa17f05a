package parser

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// dtlsFragment returns msg[4+from:4+to] as a handshake fragment.
func dtlsFragment(msg []byte, seq byte, from, to int) []byte {
	b := append([]byte{}, msg[:headerLen]...)
	b = append(b, 0, seq, byte(from>>16), byte(from>>8), byte(from))
	b = append(b, byte((to-from)>>16), byte((to-from)>>8), byte(to-from))
	return append(b, msg[headerLen+from:headerLen+to]...)
}

// dtlsRecordHeaderLen is the length of the header of a DTLS record (RFC 9147,
// section 4).
const dtlsRecordHeaderLen = 13

// dtlsRecord returns a plaintext handshake record of fragments.
func dtlsRecord(fragments ...[]byte) []byte {
	b := slices.Concat(fragments...)
	return append([]byte{tlsrecord.Handshake, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 9, byte(len(b) >> 8), byte(len(b))}, b...)
}

// nextAll passes datagrams to a and returns copies of the messages.
func nextAll(t *testing.T, a *DTLSAssembler, datagrams ...[]byte) (msgs [][]byte) {
	for _, d := range datagrams {
		msg, err := a.Next(d)
		require.NoError(t, err)
		if msg != nil {
			msgs = append(msgs, slices.Clone(msg))
		}
	}
	return msgs
}

func dtlsMessage(t testing.TB) []byte { return readHellos(t)["chromium-156-dtls"].Raw }

func TestDTLSAssemblerEverySplitInTwo(t *testing.T) {
	msg := dtlsMessage(t)
	n := len(msg) - headerLen
	for split := range n + 1 {
		one, two := dtlsFragment(msg, 0, 0, split), dtlsFragment(msg, 0, split, n)
		for name, datagrams := range map[string][][]byte{
			"in order":         {dtlsRecord(one), dtlsRecord(two)},
			"swapped":          {dtlsRecord(two), dtlsRecord(one)},
			"one record":       {dtlsRecord(one, two)},
			"one datagram":     {slices.Concat(dtlsRecord(one), dtlsRecord(two))},
			"with repeats":     {dtlsRecord(one, one), dtlsRecord(two), dtlsRecord(one), dtlsRecord(two)},
			"overlapping":      {dtlsRecord(one), dtlsRecord(dtlsFragment(msg, 0, split/2, n)), dtlsRecord(two)},
			"whole at the end": {dtlsRecord(two), dtlsRecord(dtlsFragment(msg, 0, 0, n))},
		} {
			var a DTLSAssembler
			require.Equal(t, [][]byte{msg}, nextAll(t, &a, datagrams...), "%s, split at %d", name, split)
			require.Zero(t, a.Buffered())
		}
	}
}

func TestDTLSAssemblerAnyOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, h := range readHellos(t) {
		if h.Transport != DTLS {
			continue
		}
		n := len(h.Raw) - headerLen
		for _, size := range []int{1, 2, 3, 50, 200, 1200} {
			var datagrams [][]byte
			for i := 0; i < n; i += size {
				datagrams = append(datagrams, dtlsRecord(dtlsFragment(h.Raw, 1, max(0, i-size/2), min(i+size, n))))
			}
			for _, order := range []func(){
				func() {},
				func() { slices.Reverse(datagrams) },
				func() {
					rnd.Shuffle(len(datagrams), func(i, j int) { datagrams[i], datagrams[j] = datagrams[j], datagrams[i] })
				},
			} {
				order()
				var a DTLSAssembler
				require.Equal(t, [][]byte{h.Raw}, nextAll(t, &a, datagrams...), name)
				require.EqualValues(t, 1, a.MessageSeq())
				require.Equal(t, VersionDTLS10, a.RecordVersion())
				require.Equal(t, a.Records(), a.Datagrams())
			}
		}
	}
}

func TestDTLSAssemblerCounts(t *testing.T) {
	msg := dtlsMessage(t)
	n := len(msg) - headerLen
	var a DTLSAssembler
	nextAll(t, &a, slices.Concat(dtlsRecord(dtlsFragment(msg, 0, 0, 10), dtlsFragment(msg, 0, 10, 20)), dtlsRecord(dtlsFragment(msg, 0, 20, 30))))
	assert.Equal(t, 30, a.Buffered())
	assert.Equal(t, msg[:headerLen+30], a.Pending())
	nextAll(t, &a, dtlsRecord(dtlsFragment(msg, 0, 40, 50)))
	assert.Equal(t, msg[:headerLen+30], a.Pending())
	nextAll(t, &a, dtlsRecord(dtlsFragment(msg, 0, 30, n)))
	assert.Equal(t, 4, a.Records())
	assert.Equal(t, 3, a.Datagrams())
	assert.Nil(t, a.Pending())
	a.Reset()
	assert.Zero(t, a.Records())
	assert.Zero(t, a.Datagrams())
	assert.Equal(t, [][]byte{msg}, nextAll(t, &a, dtlsRecord(dtlsFragment(msg, 0, 0, n))))
	assert.Equal(t, 1, a.Records())
}

func TestDTLSAssemblerSecondHello(t *testing.T) {
	hellos := readHellos(t)
	first, second := hellos["openssl-dtls"].Raw, hellos["openssl-dtls-cookie"].Raw
	whole := func(msg []byte, seq byte) []byte {
		return dtlsRecord(dtlsFragment(msg, seq, 0, len(msg)-headerLen))
	}
	var a DTLSAssembler
	got := nextAll(t, &a,
		whole(first, 0), whole(first, 0), // retransmitted
		dtlsRecord(dtlsFragment(second, 1, 0, 100)),
		whole(first, 0), // late
		dtlsRecord(dtlsFragment(second, 1, 100, len(second)-headerLen)),
		whole(second, 1), whole(first, 0))
	assert.Equal(t, [][]byte{first, second}, got)

	// A new association from the same port has another random.
	again := slices.Clone(first)
	again[10] ^= 0xff
	n := len(first) - headerLen
	got = nextAll(t, &a, dtlsRecord(dtlsFragment(again, 0, 0, 60)), dtlsRecord(dtlsFragment(again, 0, 60, n)), whole(again, 0))
	assert.Equal(t, [][]byte{again}, got)

	// Fragments of an abandoned hello do not get into the next one.
	a.Reset()
	got = nextAll(t, &a, dtlsRecord(dtlsFragment(first, 0, 0, 60)), dtlsRecord(dtlsFragment(again, 0, 0, 50)), dtlsRecord(dtlsFragment(again, 0, 50, n)))
	assert.Equal(t, [][]byte{again}, got)
}

func TestDTLSAssemblerSkips(t *testing.T) {
	msg := dtlsMessage(t)
	whole := dtlsFragment(msg, 0, 0, len(msg)-headerLen)
	certificate := slices.Clone(whole)
	certificate[0] = 11
	finished := dtlsRecord(whole)
	finished[4] = 1 // epoch
	alert := dtlsRecord([]byte{1, 0})
	alert[0] = tlsrecord.Alert
	ack := dtlsRecord([]byte{0, 0})
	ack[0] = recordACK
	withCID := dtlsRecord(whole)
	withCID[0] = recordCID
	var a DTLSAssembler
	assert.Empty(t, nextAll(t, &a, nil, finished, alert, ack, withCID, dtlsRecord(certificate), []byte{0x2f, 1, 2, 3}))
	assert.Zero(t, a.Buffered())
	assert.Equal(t, [][]byte{msg}, nextAll(t, &a, slices.Concat(alert, finished, ack, dtlsRecord(certificate, whole), []byte{0x2f, 1, 2})))
}

func TestDTLSAssemblerErrors(t *testing.T) {
	msg := dtlsMessage(t)
	n := len(msg) - headerLen
	record := dtlsRecord(dtlsFragment(msg, 0, 0, n))
	patch := func(at int, b ...byte) []byte {
		p := slices.Clone(record)
		copy(p[at:], b)
		return p
	}
	for _, c := range []struct {
		name     string
		datagram []byte
		want     string
	}{
		{"text", []byte("GET / HTTP/1.1"), "parser: record.type: not TLS at byte 0"},
		{"low type", patch(0, 19), "parser: record.type: not TLS at byte 0"},
		{"high type", patch(0, 27), "parser: record.type: not TLS at byte 0"},
		{"TLS version", patch(1, 3, 3), "parser: record.legacy_record_version: not TLS at byte 1"},
		{"no version", record[:2], "parser: record.legacy_record_version: truncated at byte 2"},
		{"no epoch", record[:4], "parser: record.epoch: truncated at byte 4"},
		{"no sequence number", record[:10], "parser: record.sequence_number: truncated at byte 10"},
		{"no length", record[:12], "parser: record.length: truncated at byte 12"},
		{"truncated", record[:100], "parser: record.length: truncated at byte 100"},
		{"second record truncated", slices.Concat(dtlsRecord(), record[:100]), "parser: record.length: truncated at byte 113"},
		{"no msg_type", dtlsRecord([]byte{}, []byte{1, 0}), "parser: length: truncated at byte 15"},
		{"no message_seq", dtlsRecord(record[13:18]), "parser: message_seq: truncated at byte 18"},
		{"no offset", dtlsRecord(record[13:20]), "parser: fragment_offset: truncated at byte 20"},
		{"no fragment length", dtlsRecord(record[13:23]), "parser: fragment_length: truncated at byte 23"},
		{"fragment truncated", dtlsRecord(record[13:50]), "parser: fragment: truncated at byte 50"},
		{"large", patch(14, 1, 0, 1), "parser: length: message over 65536 bytes at byte 14"},
		{"outside", patch(20, 1), "parser: fragment_length: fragment outside its message at byte 22"},
	} {
		var a DTLSAssembler
		got, err := a.Next(c.datagram)
		assert.Nil(t, got, c.name)
		assert.EqualError(t, err, c.want, c.name)
		assert.Equal(t, [][]byte{msg}, nextAll(t, &a, record), c.name)
	}
}

func TestDTLSAssemblerBounds(t *testing.T) {
	msg := make([]byte, headerLen+tlsrecord.MaxMessage)
	msg[0], msg[1] = tlsrecord.ClientHello, tlsrecord.MaxMessage>>16
	for i := range msg[headerLen:] {
		msg[headerLen+i] = byte(i ^ i>>8)
	}

	// A long announced length and a large offset take no memory.
	var a DTLSAssembler
	nextAll(t, &a, dtlsRecord(dtlsFragment(msg, 0, tlsrecord.MaxMessage-1, tlsrecord.MaxMessage)))
	assert.Less(t, cap(a.hellos[0].buf), 64)

	var datagrams [][]byte
	for i := tlsrecord.MaxMessage; i > 0; i -= 512 {
		datagrams = append(datagrams, dtlsRecord(dtlsFragment(msg, 0, i-512, i)))
	}
	assert.Equal(t, [][]byte{msg}, nextAll(t, &a, datagrams...))

	a.Reset()
	var err error
	for i := 0; i <= 2*maxParts && err == nil; i += 2 {
		_, err = a.Next(dtlsRecord(dtlsFragment(msg, 0, i, i+1)))
	}
	assert.EqualError(t, err, "parser: fragment_offset: message in over 4096 pieces at byte 19")
	assert.Zero(t, a.Buffered())
	assert.Equal(t, [][]byte{msg}, nextAll(t, &a, datagrams...))
}

func TestDTLSAssemblerAllocs(t *testing.T) {
	msg := dtlsMessage(t)
	n := len(msg) - headerLen
	one, two := dtlsRecord(dtlsFragment(msg, 0, 700, n)), dtlsRecord(dtlsFragment(msg, 0, 0, 700))
	var a DTLSAssembler
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		a.Reset()
		_, _ = a.Next(one)
		if got, _ := a.Next(two); got == nil {
			panic("no message")
		}
	}))
}
