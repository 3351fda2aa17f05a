package fingerprint

// A fieldCode says how a header field is written in a header block (RFC 7541, section
// 6), without its name and value.
type fieldCode uint8

// The parts of a fieldCode.
const (
	kindIndexed     fieldCode = 0 // the whole field is in a table
	kindIncremental fieldCode = 1 // a literal that is added to the dynamic table
	kindWithout     fieldCode = 2 // a literal without indexing
	kindNever       fieldCode = 3 // a literal that is never indexed
	kindMask        fieldCode = 3

	codeDynamic      fieldCode = 1 << 2 // the field or its name is in the dynamic table
	codeNameLiteral  fieldCode = 1 << 3 // the name is a literal
	codeNameHuffman  fieldCode = 1 << 4 // and has Huffman coding
	codeValueHuffman fieldCode = 1 << 5 // the value has Huffman coding
)

// append appends c as text, as [HTTP2.Wire] says. shorter says that Huffman coding makes
// the value shorter.
func (c fieldCode) append(dst []byte, shorter bool) []byte {
	if c&kindMask == kindIndexed {
		if c&codeDynamic != 0 {
			return append(dst, 'd')
		}
		return append(dst, 'i')
	}
	dst = append(dst, " +-!"[c&kindMask])
	switch {
	case c&codeDynamic != 0:
		dst = append(dst, 'd')
	case c&codeNameHuffman != 0:
		dst = append(dst, 'N')
	case c&codeNameLiteral != 0:
		dst = append(dst, 'n')
	}
	switch huffman := c&codeValueHuffman != 0; {
	case huffman && shorter:
		return append(dst, 'h')
	case huffman:
		return append(dst, 'H')
	case shorter:
		return append(dst, 'P')
	}
	return append(dst, 'p')
}

// An hpackWalk finds out how the fields of a header block are written. It follows the
// lengths alone. The zero value is ready.
type hpackWalk struct {
	fields  []fieldCode // at most maxHTTP2Names
	updates int         // of the size of the dynamic table

	state walkState
	code  fieldCode // of the field at hand
	value uint32    // the integer at hand, or the bytes of a string to come
	shift uint8     // of its next 7 bits
}

type walkState uint8

const (
	walkField walkState = iota // at the first byte of a field
	walkIndex                  // in the rest of an index or a size
	walkName                   // at the first byte of a name's length
	walkNameN                  // in the rest of it
	walkNameS                  // in the name
	walkValue                  // the same for the value
	walkValueN
	walkValueS
	walkUpdate // in the rest of the size of the dynamic table
	walkLost   // no more is known: an integer is too long
)

// staticFields is the number of fields in the static table (RFC 7541, appendix A).
const staticFields = 61

// write reads the next bytes of the block. The caller has a decoder that finds errors.
func (w *hpackWalk) write(b []byte) {
	for len(b) > 0 && w.state != walkLost {
		if w.state == walkNameS || w.state == walkValueS {
			n := min(uint32(len(b)), w.value)
			w.value, b = w.value-n, b[n:]
			if w.value == 0 {
				w.advance()
			}
			continue
		}
		c := b[0]
		b = b[1:]
		switch w.state {
		case walkField:
			w.begin(c)
		case walkName:
			if w.code |= codeNameLiteral; c&0x80 != 0 {
				w.code |= codeNameHuffman
			}
			w.integer(c, 7, walkNameN)
		case walkValue:
			if c&0x80 != 0 {
				w.code |= codeValueHuffman
			}
			w.integer(c, 7, walkValueN)
		default:
			w.value += uint32(c&0x7f) << w.shift
			switch w.shift += 7; {
			case c&0x80 == 0:
				w.advance()
			case w.shift > 21: // far more than a header block may have
				w.state = walkLost
			}
		}
	}
}

// begin reads the first byte of a field.
func (w *hpackWalk) begin(c byte) {
	switch {
	case c&0x80 != 0:
		w.code = kindIndexed
		w.integer(c, 7, walkIndex)
	case c&0x40 != 0:
		w.code = kindIncremental
		w.integer(c, 6, walkIndex)
	case c&0x20 != 0:
		w.updates++
		w.integer(c, 5, walkUpdate)
	case c&0x10 != 0:
		w.code = kindNever
		w.integer(c, 4, walkIndex)
	default:
		w.code = kindWithout
		w.integer(c, 4, walkIndex)
	}
}

// integer reads the first byte of an integer with a prefix of so many bits (RFC 7541,
// section 5.1), which ends there or goes on in the state rest.
func (w *hpackWalk) integer(c byte, prefix uint8, rest walkState) {
	most := uint32(1)<<prefix - 1
	w.value, w.shift, w.state = uint32(c)&most, 0, rest
	if w.value < most {
		w.advance()
	}
}

// advance goes on behind an integer or a string.
func (w *hpackWalk) advance() {
	switch w.state {
	case walkIndex:
		if w.value > staticFields {
			w.code |= codeDynamic
		}
		switch {
		case w.code&kindMask == kindIndexed:
			w.end()
		case w.value == 0:
			w.state = walkName
		default:
			w.state = walkValue
		}
	case walkNameN:
		if w.state = walkNameS; w.value == 0 {
			w.state = walkValue
		}
	case walkNameS:
		w.state = walkValue
	case walkValueN:
		if w.state = walkValueS; w.value == 0 {
			w.end()
		}
	case walkValueS:
		w.end()
	case walkUpdate:
		w.state = walkField
	}
}

func (w *hpackWalk) end() {
	w.state = walkField
	if len(w.fields) < maxHTTP2Names {
		w.fields = append(w.fields, w.code)
	}
}
