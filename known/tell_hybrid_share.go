package known

import (
	"bytes"

	"github.com/tlspeek/tlspeek/parser"
)

const (
	groupX25519         parser.NamedGroup = 0x001d
	groupX25519MLKEM768 parser.NamedGroup = 0x11ec

	lenMLKEM768       = 1184 // of an encapsulation key (FIPS 203, table 3)
	lenX25519         = 32
	lenX25519MLKEM768 = lenMLKEM768 + lenX25519
)

// tellHybridShare compares the share for X25519 with the one that ends the share for
// X25519MLKEM768.
//
// NSS has one key for both since 3.103 (tls13_CreateKeyShare in lib/ssl/tls13con.c), which
// is older than its X25519MLKEM768. It drew two for X25519Kyber768Draft00 before that, so
// that group shows nothing. BoringSSL makes an object for each share, each with a key of
// its own (ssl_setup_key_shares in ssl/extensions.cc). crypto/tls and rustls have one key
// for both, and uTLS draws two.
func tellHybridShare(dst []Tell, v view) []Tell {
	var hybrid, x25519 []byte
	for _, k := range limit(v.Hello.KeyShares) {
		switch {
		case k.Group == groupX25519MLKEM768 && len(k.KeyExchange) == lenX25519MLKEM768:
			hybrid = k.KeyExchange
		case k.Group == groupX25519 && len(k.KeyExchange) == lenX25519:
			x25519 = k.KeyExchange
		}
	}
	if hybrid == nil || x25519 == nil {
		return dst
	}
	isSame := bytes.Equal(hybrid[lenMLKEM768:], x25519)
	if isSame == (v.browser == firefox) || !isMLKEMKey(hybrid[:lenMLKEM768]) {
		return dst
	}
	t := Tell{Field: "key_share", Offset: offsetOf(v.Hello, parser.ExtKeyShare),
		Found: "one X25519 key in two shares", Expected: "a key for each share, as BoringSSL draws them"}
	if !isSame {
		t.Found = "an X25519 share other than the one in X25519MLKEM768"
		t.Expected = "the same key in both, as in NSS"
	}
	return append(dst, t)
}

// isMLKEMKey reports whether an ML-KEM-768 encapsulation key passes the modulus check of
// FIPS 203, section 7.2: each coefficient, of 12 bits, is less than 3329. One that does
// not, or that begins with zeros, was made by no TLS stack. Its hello was rebuilt from a
// description, and so the values of its keys show nothing.
func isMLKEMKey(key []byte) bool {
	const q = 3329
	if bytes.Equal(key[:16], make([]byte, 16)) {
		return false
	}
	for p := key[:lenMLKEM768-32]; len(p) >= 3; p = p[3:] { // behind the coefficients is a seed
		if int(p[0])|int(p[1]&15)<<8 >= q || int(p[1]>>4)|int(p[2])<<4 >= q {
			return false
		}
	}
	return true
}
