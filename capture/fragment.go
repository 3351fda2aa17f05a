package capture

import "hash/maphash"

// What is kept of IP packets of which not all fragments have come.
const (
	maxFragmented     = 4096    // packets
	maxFragmentMemory = 8 << 20 // bytes
	maxIPPayload      = 65535   // bytes of one packet
)

// A fragmentHeader is what the header of an IP fragment says.
type fragmentHeader struct {
	addrs    []byte
	id       uint32
	protocol uint8
	offset   int  // of the fragment, in the payload of the whole packet
	length   int  // of the fragment, on the wire
	more     bool // whether others follow
}

// A fragmentKey names a packet: a hash of its addresses, and its identification.
type fragmentKey struct {
	addrs    uint64
	id       uint32
	protocol uint8
}

// Fragments put IP packets together (RFC 791, section 3.2; RFC 8200, section
// 4.5). Of what overlaps the first copy holds, as for TCP segments. Beyond the
// limits the oldest packet is dropped.
type fragments struct {
	seed    maphash.Seed
	packets map[fragmentKey]*fragmented
	oldest  *fragmented
	newest  *fragmented
	memory  int // bytes of payload in all
}

// A fragmented is a packet that is being put together.
type fragmented struct {
	key    fragmentKey
	next   *fragmented // the next younger
	runs   runs
	length int // of the whole payload, or -1 while the last fragment has not come
}

// add takes a fragment of which payload was captured. It returns the payload of
// the packet if it is whole with it, and how many packets were dropped.
func (f *fragments) add(h fragmentHeader, payload []byte) (whole []byte, dropped int) {
	end := h.offset + len(payload)
	if end > maxIPPayload || len(payload) == 0 {
		return nil, 0
	}
	if f.packets == nil {
		f.seed = maphash.MakeSeed()
		f.packets = make(map[fragmentKey]*fragmented)
	}
	key := fragmentKey{maphash.Bytes(f.seed, h.addrs), h.id, h.protocol}
	p := f.packets[key]
	if p == nil {
		p = &fragmented{key: key, length: -1}
		f.packets[key] = p
		if f.newest != nil {
			f.newest.next = p
		} else {
			f.oldest = p
		}
		f.newest = p
	}
	if !h.more && p.length < 0 {
		p.length = h.offset + h.length
	}
	before := p.runs.memory
	p.runs.add(uint32(h.offset), payload)
	f.memory += p.runs.memory - before
	if first := p.runs.list[0]; first.at == 0 && p.length >= 0 && len(first.data()) >= p.length {
		whole = first.data()[:p.length]
		f.memory -= p.runs.memory
		delete(f.packets, key)
	}
	for f.oldest != nil && (len(f.packets) > maxFragmented || f.memory > maxFragmentMemory || f.packets[f.oldest.key] != f.oldest) {
		if o := f.oldest; f.packets[o.key] == o {
			dropped++
			f.memory -= o.runs.memory
			delete(f.packets, o.key)
		}
		if f.oldest = f.oldest.next; f.oldest == nil {
			f.newest = nil
		}
	}
	return whole, dropped
}

// fragment goes on with the whole packet, when it is whole.
func (s *scanner) fragment(h fragmentHeader, payload []byte) {
	whole, dropped := s.fragments.add(h, payload)
	s.stats.DroppedFragments += int64(dropped)
	if whole != nil && s.deeper() {
		s.wrap(LayerFragments, 0)
		s.transport(h.protocol, h.addrs, whole)
	}
}
