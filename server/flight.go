package server

// A flight follows the headers of the records that a client sends after its
// hello, to know when it has sent the last one of the handshake. The zero
// value is ready.
type flight struct {
	header [5]byte
	n      int // bytes of header that were read
	left   int // bytes of the record that were not read
	ccs    bool
	first  bool // the next byte is the record's first
	hello  bool // the record begins a ClientHello
	odd    bool // not all records were such as a hello may be in
}

// ended reads b and reports whether a record in it was the last one of the
// client's handshake: the first one that is encrypted. That is application
// data in TLS 1.3, and in the versions before it what follows
// ChangeCipherSpec, unless it is the hello after a HelloRetryRequest.
//
// A client that is asked for a certificate in TLS 1.3 may send more records:
// they look like those after the handshake.
func (f *flight) ended(b []byte) bool {
	for len(b) > 0 {
		if f.left == 0 {
			n := copy(f.header[f.n:], b)
			f.n += n
			b = b[n:]
			if f.n < len(f.header) {
				return false
			}
			f.n = 0
			f.left = int(f.header[3])<<8 | int(f.header[4])
			f.first, f.hello = true, false
			f.odd = f.odd || f.header[0] != 22 || f.left == 0 || f.left > 1<<14
			continue
		}
		if f.first {
			f.first = false
			f.hello = b[0] == 1
		}
		n := min(f.left, len(b))
		f.left -= n
		b = b[n:]
		if f.left > 0 {
			return false
		}
		switch f.header[0] {
		case 20: // change_cipher_spec
			f.ccs = true
		case 22: // handshake
			if f.ccs && !f.hello {
				return true
			}
			f.ccs = f.ccs && !f.hello
		case 23: // application_data
			return true
		}
	}
	return false
}
