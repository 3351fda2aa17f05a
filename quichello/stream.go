package quichello

import (
	"math/bits"

	"golang.org/x/crypto/cryptobyte"
)

const (
	// maxStream bounds the CRYPTO data of one connection.
	maxStream = 65536

	// maxAhead bounds how far CRYPTO data may be ahead of the first gap. It is
	// more than twice the initial congestion window of 10 packets (RFC 9002,
	// section 7.2). It limits the memory that one small frame at a large offset
	// takes.
	maxAhead = 32768
)

// usualHello is the memory allocated for a hello whose first frame arrives out
// of order. A browser's hello has 1700 to 2000 bytes.
const usualHello = 2048

// A stream puts CRYPTO data in order. Frames may arrive in any order, overlap
// and repeat. The first byte received for an offset counts. Each byte is
// processed a constant number of times.
type stream struct {
	base  int      // offset of data[0] in the CRYPTO data
	data  []byte   // up to the highest byte received, with gaps
	ready int      // number of bytes of data before the first gap
	have  []uint64 // a bit for each byte of data that was received after a gap
}

// A spare is memory of streams that are no longer used.
type spare struct {
	data []byte
	have []uint64
}

// maxSpare is the largest size of memory that is kept.
const maxSpare = 4 * usualHello

// bytes returns an empty slice with a capacity of at least n.
func (m *spare) bytes(n int) []byte {
	if cap(m.data) < n {
		return make([]byte, 0, n)
	}
	b := m.data[:0]
	m.data = nil
	return b
}

// keep keeps memory that is no longer used.
func (m *spare) keep(data []byte) {
	if cap(data) > cap(m.data) && cap(data) <= maxSpare {
		m.data = data
	}
}

// words returns n zero words.
func (m *spare) words(n int) []uint64 {
	if cap(m.have) < n {
		return make([]uint64, n)
	}
	w := m.have[:n]
	m.have = nil
	clear(w)
	return w
}

// write adds data at an offset and returns how many of its bytes are new. It
// returns false, and adds nothing, if the data exceeds a limit.
func (s *stream) write(m *spare, offset uint64, data []byte) (added int, ok bool) {
	if offset > maxStream || offset+uint64(len(data)) > maxStream {
		return 0, false
	}
	at := int(offset) - s.base
	if at < s.ready { // the first bytes are known
		known := min(s.ready-at, len(data))
		at, data = at+known, data[known:]
	}
	if len(data) == 0 {
		return 0, true
	}
	end := at + len(data)
	if end > s.ready+maxAhead {
		return 0, false
	}
	if at == s.ready && s.ready == len(s.data) { // in order
		s.grow(m, end, 0)
		s.ready = end
		return copy(s.data[at:], data), true
	}
	s.grow(m, end, usualHello)
	if words := (cap(s.data) + 63) / 64; words > len(s.have) {
		have := m.words(words)
		copy(have, s.have)
		s.have = have
	}
	for at < end {
		word, bit := at/64, at%64
		n := min(64-bit, end-at)
		mask := ^uint64(0) >> (64 - n) << bit
		if s.have[word]&mask == 0 {
			copy(s.data[at:], data[:n])
			added += n
		} else {
			for i := range n {
				if s.have[word]>>(bit+i)&1 == 0 {
					s.data[at+i] = data[i]
					added++
				}
			}
		}
		s.have[word] |= mask
		at, data = at+n, data[n:]
	}
	for s.ready < len(s.data) {
		word, bit := s.ready/64, s.ready%64
		n := bits.TrailingZeros64(^(s.have[word] >> bit))
		s.ready += n
		if bit+n < 64 {
			break
		}
	}
	return added, true
}

// grow extends data to end, and allocates at least least bytes. For data in
// order, the first allocation is exact, because most hellos are in one frame or
// one packet.
func (s *stream) grow(m *spare, end, least int) {
	if end <= len(s.data) {
		return
	}
	if end > cap(s.data) {
		small := s.data
		s.data = append(m.bytes(max(end, 2*cap(small), least)), small...)
		m.keep(small)
	}
	s.data = s.data[:end]
}

// take removes the first n bytes, which must be ready, and returns them.
func (s *stream) take(m *spare, n int) []byte {
	if n == len(s.data) {
		taken := s.data
		if len(s.have) > 0 && len(s.have) <= maxSpare/64 {
			m.have = s.have
		}
		*s = stream{base: s.base + n}
		return taken
	}
	taken, rest := s.data[:n:n], s.data[n:]
	left := stream{base: s.base + n, ready: s.ready - n}
	left.data = append([]byte(nil), rest...)
	left.have = make([]uint64, (len(rest)+63)/64)
	for i := left.ready; i < len(rest); i++ {
		left.have[i/64] |= s.have[(n+i)/64] >> ((n + i) % 64) & 1 << (i % 64)
	}
	*s = left
	return taken
}

// continues reports whether the CRYPTO frames of a payload add to s, and repeat nothing
// of it with other bytes.
func (s *stream) continues(payload []byte, suite suite) bool {
	var f frame
	adds := false
	for rest := cryptobyte.String(payload); len(rest) > 0; {
		if !readFrame(&rest, suite, &f) {
			return false
		}
		if !f.crypto {
			continue
		}
		if f.offset < uint64(s.base) || f.offset+uint64(len(f.data)) > maxStream {
			return false
		}
		at := int(f.offset) - s.base
		for i, b := range f.data {
			switch at := at + i; {
			case !s.has(at):
				adds = true
			case s.data[at] != b:
				return false
			}
		}
	}
	return adds
}

// has reports whether the byte at an index of data was received.
func (s *stream) has(at int) bool {
	return at < s.ready || at < len(s.data) && at/64 < len(s.have) && s.have[at/64]>>(at%64)&1 != 0
}
