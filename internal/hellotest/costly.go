package hellotest

import (
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// Costly returns hellos that take the most to write, each as long as can be, as long as
// the part of a message that is taken apart, and as long as a long one of a browser.
func Costly() map[string]*parser.ClientHello {
	all := Huge()
	for _, n := range []int{3_000, 16_000, 60_000} {
		numbers := make([]uint16, n/2)
		for i := range numbers {
			numbers[i] = uint16(0x4000 + i) // without a name
		}
		suites := make([]parser.CipherSuite, n/2)
		for i := range suites {
			suites[i] = parser.CipherSuite(numbers[i])
		}
		var empty [][]byte
		for i := range n / 4 {
			empty = append(empty, Extension(parser.ExtensionType(0x8000+i), nil))
		}
		many := func(name string, n int) []byte {
			return Extension(parser.ExtALPN, ALPN(strings.Split(strings.Repeat(name+",", n-1)+name, ",")...))
		}
		size := string(rune('0' + n/10_000))
		all["suites "+size] = mustParse(Message(parser.VersionTLS12, suites))
		all["empty extensions "+size] = Hello(empty...)
		all["groups "+size] = Hello(Extension(parser.ExtSupportedGroups, Vector16(Uint16s(numbers))))
		all["schemes "+size] = Hello(Extension(parser.ExtSignatureAlgorithms, Vector16(Uint16s(numbers))))
		all["short protocols "+size] = Hello(many("a", n/2))
		all["binary protocols "+size] = Hello(many(strings.Repeat("\xff", 255), n/256))
		all["binary name "+size] = Hello(Extension(parser.ExtServerName, ServerName([]byte(strings.Repeat("\x01", n)))))
		all["markup "+size] = Hello(Extension(parser.ExtServerName, ServerName([]byte(strings.Repeat("<", n)))))
		all["parameters "+size] = Hello(Extension(parser.ExtQUICTransportParameters, make([]byte, n)))
	}
	return all
}
