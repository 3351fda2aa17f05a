package fingerprint_test

import (
	"encoding/hex"
	"fmt"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

func exampleHello() *parser.ClientHello {
	msg, _ := hex.DecodeString("010000900303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000061301130213030100006100000011" +
		"000f00000c746573742e6578616d706c65002b0003020304000a00040002001d000d000600040403080400100005000302683200330026" +
		"0024001d00202020202020202020202020202020202020202020202020202020202020202020")
	h, err := parser.Parse(msg)
	if err != nil {
		fmt.Println(err)
	}
	return h
}

func ExampleJA4() {
	h := exampleHello()
	fmt.Println(fingerprint.JA4(h))
	fmt.Println(fingerprint.JA4R(h))
	// Output:
	// t13d0306h2_55b375c5d22e_e12c865f31a5
	// t13d0306h2_1301,1302,1303_000a,000d,002b,0033_0403,0804
}

func ExampleJA3() {
	h := exampleHello()
	fmt.Println(fingerprint.JA3(h))
	fmt.Println(fingerprint.JA3Full(h))
	// Output:
	// 03c07a1797d9831243cf28df6cfdfdb2
	// 771,4865-4866-4867,0-43-10-13-16-51,29,
}

func ExampleHTTP2() {
	var p fingerprint.HTTP2
	recorded := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + // the connection preface
		"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64" + // SETTINGS
		"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x01\xff\x00\x01" + // WINDOW_UPDATE
		"\x00\x00\x04\x01\x05\x00\x00\x00\x01\x82\x84\x87\x81" // HEADERS
	if _, err := p.Write([]byte(recorded)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Done(), p.Fingerprint())
	// Output: true 3:100|33488897|0|m,p,s,a
}
