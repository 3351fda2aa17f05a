package parser_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// stream has a hello in two records.
var stream, _ = hex.DecodeString("1603010028" +
	"0100004e0303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000" +
	"160301002a" +
	"061a1a1301c02f0100001f2a2a000000000010000e00000b6578616d706c652e636f6d002b0003020304")

// Read the first message of a stream, block by block.
func ExampleRecordAssembler() {
	var a parser.RecordAssembler
	var h parser.ClientHello
	for block := range slices.Chunk(stream, 20) { // as from net.Conn.Read
		msg, _, err := a.Next(block)
		if err != nil {
			fmt.Println(err) // not TLS, or no hello
			return
		}
		if msg == nil {
			continue // incomplete
		}
		if err := h.Unmarshal(msg); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s from %d records\n", parser.Text(h.ServerName), a.Records())
		for _, s := range h.CipherSuites {
			fmt.Println(s)
		}
	}
	// Output:
	// example.com from 2 records
	// GREASE
	// TLS_AES_128_GCM_SHA256
	// TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
}

// Walk the tree of fields. Its leaves cover the message.
func ExampleDissect() {
	var a parser.RecordAssembler
	msg, _, _ := a.Next(stream)
	h, err := parser.Parse(msg)
	if err != nil {
		fmt.Println(err)
		return
	}
	root := parser.Dissect(h)
	var walk func(f *parser.Field, depth int)
	walk = func(f *parser.Field, depth int) {
		if f.Offset >= 51 { // the extensions
			fmt.Printf("%d+%d %s%s %v\n", f.Offset, len(f.Bytes), strings.Repeat(" ", depth), f.Name, f.Value)
		}
		for i := range f.Children {
			walk(&f.Children[i], depth+1)
		}
	}
	walk(&root, 0)
	// Output:
	// 51+4   extension <nil>
	// 51+2    extension_type 10794
	// 53+2    extension_data <nil>
	// 53+2     length 0
	// 55+20   extension <nil>
	// 55+2    extension_type 0
	// 57+18    extension_data <nil>
	// 57+2     length 16
	// 59+16     server_name_list <nil>
	// 59+2      length 14
	// 61+14      server_name <nil>
	// 61+1       name_type 0
	// 62+13       host_name <nil>
	// 62+2        length 11
	// 64+11        opaque example.com
	// 75+7   extension <nil>
	// 75+2    extension_type 43
	// 77+5    extension_data <nil>
	// 77+2     length 3
	// 79+3     versions <nil>
	// 79+1      length 2
	// 80+2      protocol_version 772
}

// Keep a hello after the buffer that it was read from is reused.
func ExampleClientHello_Clone() {
	buf := make([]byte, 0, 4096)
	buf = append(buf, stream...)
	var a parser.RecordAssembler
	msg, _, _ := a.Next(buf)
	var h parser.ClientHello // may read many hellos, reusing its memory
	if err := h.Unmarshal(msg); err != nil {
		fmt.Println(err)
		return
	}
	kept := h.Clone()
	clear(buf)
	clear(msg)
	fmt.Printf("%q %q\n", h.ServerName, kept.ServerName)
	// Output:
	// "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" "example.com"
}
