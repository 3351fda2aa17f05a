package quichello_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/tlspeek/tlspeek/quichello"
)

// Pass the datagrams of one flow to one Assembler, in order of arrival. The two
// of Chromium 156 in testdata have one hello in eleven CRYPTO frames.
func ExampleAssembler() {
	var a quichello.Assembler
	for _, name := range []string{"chromium156-1.hex", "chromium156-2.hex"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			fmt.Println(err)
			return
		}
		datagram, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
		if err != nil {
			fmt.Println(err)
			return
		}
		h, err := a.Next(datagram)
		if err != nil {
			fmt.Println(err)
			return
		}
		for ; h != nil; h, _ = a.Next(nil) {
			fmt.Printf("version %s, hello %d of %d bytes in %d frames of %d datagrams, out of order: %t\n",
				h.Version, h.Index, len(h.Message), h.CryptoFrames, h.Datagrams, h.OutOfOrder)
		}
	}
	// Output: version 1, hello 1 of 1976 bytes in 11 frames of 2 datagrams, out of order: true
}
