package capture

import (
	"hash/maphash"
	"time"

	"github.com/tlspeek/tlspeek/internal/lru"
)

// Limits on IP packets with missing fragments.
const (
	maxFragmented     = 4096    // packets
	maxFragmentMemory = 8 << 20 // bytes
	maxIPPayload      = 65535   // bytes of one packet

	// maxFragmentAge is how long fragments are kept (RFC 8200, section 4.5). After
	// that, another packet may have the same identification.
	maxFragmentAge = time.Minute
)

// A fragmentHeader has the fields of the header of an IP fragment.
type fragmentHeader struct {
	addrs    []byte
	id       uint32
	protocol uint8
	offset   int  // of the fragment in the payload of the packet
	length   int  // of the fragment on the wire
	more     bool // it is not the last fragment
}

// A fragmentKey identifies a packet by a hash of its addresses, its identification
// and its protocol.
type fragmentKey struct {
	addrs    uint64
	id       uint32
	protocol uint8
}

// fragments reassemble IP packets (RFC 791, section 3.2; RFC 8200, section 4.5).
// Where fragments overlap, the first copy is taken, as for TCP segments. Beyond the
// limits, the oldest packet is dropped.
type fragments struct {
	seed    maphash.Seed
	packets map[fragmentKey]*partialPacket
	byAge   lru.List[partialPacket] // sizes are bytes of payload
}

// A partialPacket is an IP packet with missing fragments.
type partialPacket struct {
	key       fragmentKey
	node      lru.Node[partialPacket]
	firstSeen time.Time
	received  segments
	length    int // of the whole payload, or -1 until the last fragment has come
}

// add adds a fragment, of which payload was captured. It returns the payload of the
// packet if this fragment completes it, and how many packets were dropped.
func (f *fragments) add(h fragmentHeader, payload []byte, now time.Time) (whole []byte, dropped int) {
	end := h.offset + len(payload)
	if end > maxIPPayload || len(payload) == 0 {
		return nil, 0
	}
	if f.packets == nil {
		f.seed = maphash.MakeSeed()
		f.packets = make(map[fragmentKey]*partialPacket)
	}
	for p := f.byAge.Oldest(); p != nil && now.Sub(p.firstSeen) > maxFragmentAge; p = f.byAge.Oldest() {
		f.remove(p)
		dropped++
	}
	key := fragmentKey{maphash.Bytes(f.seed, h.addrs), h.id, h.protocol}
	p := f.packets[key]
	if p == nil {
		p = &partialPacket{key: key, firstSeen: now, length: -1}
		f.packets[key] = p
		f.byAge.Add(&p.node, p, 0)
	}
	if !h.more && p.length < 0 {
		p.length = h.offset + h.length
	}
	p.received.add(uint32(h.offset), payload)
	f.byAge.Resize(&p.node, p.received.memory)
	if first := p.received.list[0]; first.start == 0 && p.length >= 0 && len(first.data()) >= p.length {
		whole = first.data()[:p.length]
		f.remove(p)
	}
	for f.byAge.Len() > maxFragmented || f.byAge.Size() > maxFragmentMemory {
		f.remove(f.byAge.Oldest())
		dropped++
	}
	return whole, dropped
}

// remove removes a packet.
func (f *fragments) remove(p *partialPacket) {
	f.byAge.Remove(&p.node)
	delete(f.packets, p.key)
}

// fragment adds a fragment, and reads the packet that it completes.
func (s *scanner) fragment(h fragmentHeader, payload []byte) {
	whole, dropped := s.fragments.add(h, payload, s.packet.stamp.time())
	s.stats.DroppedFragments += int64(dropped)
	if whole != nil && s.enterLayer() {
		s.addLayer(LayerFragments, 0)
		s.transport(h.protocol, h.addrs, whole)
	}
}
