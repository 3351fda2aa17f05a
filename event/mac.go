package event

import (
	"fmt"
	"net"
)

// A MAC is an address of IEEE 802. The zero value is none. Its text is
// "02:00:5e:10:00:01".
type MAC [6]byte

// String returns the text of m, or the empty string for the zero value.
func (m MAC) String() string { return string(m.appendTo(nil)) }

// appendTo appends the text of m, or nothing for the zero value.
func (m MAC) appendTo(dst []byte) []byte {
	if m == (MAC{}) {
		return dst
	}
	const digits = "0123456789abcdef"
	for i, b := range m {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}

// AppendText appends the text of m to dst.
func (m MAC) AppendText(dst []byte) ([]byte, error) { return m.appendTo(dst), nil }

// MarshalText returns the text of m.
func (m MAC) MarshalText() ([]byte, error) { return m.appendTo(nil), nil }

// UnmarshalText sets m to what MarshalText wrote.
func (m *MAC) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*m = MAC{}
		return nil
	}
	a, err := net.ParseMAC(string(text))
	switch {
	case err != nil:
		return fmt.Errorf("event: %w", err)
	case len(a) != len(m):
		return fmt.Errorf("event: a MAC address of %d bytes, not %d", len(a), len(m))
	}
	*m = MAC(a)
	return nil
}
