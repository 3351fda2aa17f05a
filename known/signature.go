package known

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A signature is the text form of a hello that others recorded without its bytes:
//
//	0301 0303 32|GREASE 1301 1302|00|GREASE=,0000,0017=,000a=0006gggg001d0017,0033:GREASE/1 001d/32
//
// Its four parts are in wire order: the record's version, the legacy version and the
// length of the session id; the cipher suites; the compression methods; and the
// extensions. An extension is one of
//
//	TTTT=hex      its type and its body, in which gggg is a GREASE value
//	GREASE=hex    one with a GREASE type
//	0033:G/n G/n  key shares, each a group, or GREASE, and its length in bytes
//	0000          a server name
//	0015*         padding to 512 bytes, if the hello has 256 to 511 without it
//	fe0d          an ECH extension that is GREASE
//	0029          a pre-shared key
//
// A signature has all that a shape is made of. The hello that is made of it, its model,
// has zeros where a client has random bytes: it has that shape, but nobody sent it.

// The GREASE values of a model.
const (
	modelSuite     = 0x0a0a
	modelGroup     = 0x1a1a
	modelVersion   = 0x2a2a
	modelScheme    = 0x3a3a
	modelExtension = 0x4a4a // the first; the others follow
)

// maxModel is the most bytes that a model may have.
const maxModel = 1 << 16

var errModelTooLong = fmt.Errorf("more than %d bytes", maxModel)

// A model is the handshake message that is made of a signature.
type model struct {
	msg     []byte
	greased uint16 // extensions with a GREASE type
	padding int    // offset at which padding goes, or 0
	isNSS   bool   // pads ECH as NSS does
}

// appendModel appends the model of a signature to dst, which must be empty.
func appendModel(dst []byte, text string) ([]byte, error) {
	parts := strings.Split(text, "|")
	if len(parts) != 4 {
		return dst, fmt.Errorf("signature %.20q: %d parts, not 4", text, len(parts))
	}
	m := model{msg: append(dst, 1, 0, 0, 0)}
	if err := m.appendHead(parts[0]); err != nil {
		return dst, fmt.Errorf("signature: head %.20q: %w", parts[0], plainError(err))
	}
	if err := m.appendSuites(parts[1]); err != nil {
		return dst, fmt.Errorf("signature: cipher suites: %w", plainError(err))
	}
	at := len(m.msg)
	m.msg = append(m.msg, 0)
	if err := m.appendHex(parts[2]); err != nil || len(m.msg)-at > 256 {
		return dst, fmt.Errorf("signature: compression methods %.20q", parts[2])
	}
	m.msg[at] = byte(len(m.msg) - at - 1)
	if parts[3] != "" {
		at := m.begin()
		for text := range strings.SplitSeq(parts[3], ",") {
			if err := m.appendExtension(text); err != nil {
				return dst, fmt.Errorf("signature: extension %.20q: %w", text, plainError(err))
			}
		}
		m.pad()
		if err := m.end(at); err != nil {
			return dst, fmt.Errorf("signature: extensions: %w", err)
		}
	}
	n := len(m.msg) - 4
	m.msg[1], m.msg[2], m.msg[3] = byte(n>>16), byte(n>>8), byte(n)
	return m.msg, nil
}

// plainError returns an error of package strconv without the name of the function.
func plainError(err error) error {
	if n := (*strconv.NumError)(nil); errors.As(err, &n) {
		return fmt.Errorf("%.20q: %w", n.Num, n.Err)
	}
	return err
}

// begin appends the place for a length of 16 bits and returns its offset, for end.
func (m *model) begin() int {
	m.msg = append(m.msg, 0, 0)
	return len(m.msg) - 2
}

// end sets the length at an offset to that of what follows it.
func (m *model) end(at int) error {
	if len(m.msg) > maxModel {
		return errModelTooLong
	}
	binary.BigEndian.PutUint16(m.msg[at:], uint16(len(m.msg)-at-2))
	return nil
}

func (m *model) appendUint16(v uint16) { m.msg = binary.BigEndian.AppendUint16(m.msg, v) }

func (m *model) appendZeros(n uint64) error {
	if n > maxModel || len(m.msg)+int(n) > maxModel {
		return errModelTooLong
	}
	m.msg = append(m.msg, make([]byte, n)...)
	return nil
}

func (m *model) appendHex(text string) (err error) {
	m.msg, err = hex.AppendDecode(m.msg, []byte(text))
	return err
}

// appendHead appends the legacy version, the random and the session id.
func (m *model) appendHead(text string) error {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return errors.New("not three values")
	}
	if _, err := strconv.ParseUint(fields[0], 16, 16); err != nil {
		return err
	}
	version, err := strconv.ParseUint(fields[1], 16, 16)
	if err != nil {
		return err
	}
	id, err := strconv.ParseUint(fields[2], 10, 8)
	if err != nil {
		return err
	}
	m.appendUint16(uint16(version))
	m.msg = append(m.msg, make([]byte, 32)...)
	m.msg = append(m.msg, byte(id))
	m.msg = append(m.msg, make([]byte, id)...)
	return nil
}

func (m *model) appendSuites(text string) error {
	at := m.begin()
	for word := range strings.FieldsSeq(text) {
		v, err := parseValue(word, modelSuite)
		if err != nil {
			return err
		}
		m.appendUint16(v)
	}
	// NSS has ChaCha20 between AES-128 and AES-256, BoringSSL does not.
	m.isNSS = strings.HasPrefix(text, "1301 1303 1302")
	return m.end(at)
}

// parseValue reads 16 bits in hex, or the word for a GREASE value.
func parseValue(word string, grease uint16) (uint16, error) {
	if word == "GREASE" {
		return grease, nil
	}
	v, err := strconv.ParseUint(word, 16, 16)
	return uint16(v), err
}

var errNoBody = errors.New("no body is known for this type")

func (m *model) appendExtension(text string) error {
	name, body := text, ""
	i := strings.IndexAny(text, "=:*")
	kind := byte(0)
	if i >= 0 {
		name, kind, body = text[:i], text[i], text[i+1:]
	}
	t, err := parseValue(name, modelExtension+0x1010*(m.greased%8))
	if err != nil {
		return err
	}
	if name == "GREASE" {
		m.greased++
	}
	if kind == '*' && t == 0x0015 && body == "" {
		m.padding = len(m.msg)
		return nil
	}
	m.appendUint16(t)
	at := m.begin()
	switch {
	case kind == '=':
		err = m.appendHex(strings.ReplaceAll(body, "gggg", fmt.Sprintf("%04x", greaseIn(t))))
	case kind == ':' && t == 0x0033:
		err = m.appendKeyShares(body)
	case kind == 0 && t == 0x0000:
		const server = "www.example.com"
		m.appendUint16(uint16(len(server) + 3))
		m.msg = append(m.msg, 0)
		m.appendUint16(uint16(len(server)))
		m.msg = append(m.msg, server...)
	case kind == 0 && t == 0xfe0d:
		err = m.appendECH()
	case kind == 0 && t == 0x0029:
		err = m.appendPSK()
	default:
		err = errNoBody
	}
	if err != nil {
		return err
	}
	return m.end(at)
}

// greaseIn returns the GREASE value in the body of an extension.
func greaseIn(t uint16) uint16 {
	switch t {
	case 0x000d:
		return modelScheme
	case 0x002b:
		return modelVersion
	}
	return modelGroup
}

func (m *model) appendKeyShares(text string) error {
	at := m.begin()
	for word := range strings.FieldsSeq(text) {
		name, length, _ := strings.Cut(word, "/")
		group, err := parseValue(name, modelGroup)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(length, 10, 16)
		if err != nil {
			return err
		}
		m.appendUint16(group)
		m.appendUint16(uint16(n))
		if err := m.appendZeros(n); err != nil {
			return err
		}
	}
	return m.end(at)
}

// appendECH appends the body of an ECH extension that is GREASE, with a payload that its
// library sends.
func (m *model) appendECH() error {
	m.msg = append(m.msg, 0, 0, 1, 0, 1, 0) // outer, HKDF-SHA256, AES-128-GCM, config 0
	m.appendUint16(32)
	m.msg = append(m.msg, make([]byte, 32)...)
	n := uint16(176)
	if m.isNSS {
		n = 239
	}
	m.appendUint16(n)
	return m.appendZeros(uint64(n))
}

func (m *model) appendPSK() error {
	const identity, binder = 176, 32
	m.appendUint16(2 + identity + 4)
	m.appendUint16(identity)
	m.msg = append(m.msg, make([]byte, identity+4)...)
	m.appendUint16(1 + binder)
	m.msg = append(m.msg, binder)
	return m.appendZeros(binder)
}

// pad inserts padding where the signature has it, if it is due.
func (m *model) pad() {
	n := len(m.msg)
	if m.padding == 0 || n < 256 || n >= 512 {
		return
	}
	n = max(512-n-4, 1)
	tail := string(m.msg[m.padding:])
	m.msg = m.msg[:m.padding]
	m.appendUint16(0x0015)
	m.appendUint16(uint16(n))
	m.msg = append(append(m.msg, make([]byte, n)...), tail...)
}
