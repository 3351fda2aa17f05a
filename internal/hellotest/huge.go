package hellotest

import "github.com/tlspeek/tlspeek/parser"

// Huge returns hellos of about 64 KiB, with many fields or long ones.
func Huge() map[string]*parser.ClientHello {
	var extensions [][]byte
	for i := range 8000 {
		extensions = append(extensions, Extension(parser.ExtensionType(0x8000+i), []byte{1, 2, 3, 4}))
	}
	names := make([]string, 20000)
	for i := range names {
		names[i] = "h2"
	}
	return map[string]*parser.ClientHello{
		"extensions": Hello(extensions...),
		"name":       Hello(Extension(parser.ExtServerName, ServerName(make([]byte, 65000)))),
		"protocols":  Hello(Extension(parser.ExtALPN, ALPN(names...))),
		"parameters": Hello(Extension(parser.ExtQUICTransportParameters, make([]byte, 65000))),
	}
}
