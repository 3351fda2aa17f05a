package known_test

import (
	"fmt"
	"log"
	"slices"

	"github.com/tlspeek/tlspeek/known"
)

// Who sends this hello, and is it who it looks like?
func Example() {
	entries, err := known.BuiltinEntries()
	if err != nil {
		log.Fatal(err)
	}
	i := slices.IndexFunc(entries, func(e known.Entry) bool { return e.Name == "uTLS" && e.Version == "Chrome_120" })
	hello, err := entries[i].ParseHello()
	if err != nil {
		log.Fatal(err)
	}
	o := known.Observation{
		Hello:   hello,
		Request: known.Request{UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"},
	}
	var m known.Matcher
	candidates := m.AppendCandidates(nil, &o)
	fmt.Println("like:", candidates[0].Family)
	for _, t := range known.AppendTells(nil, &o) {
		fmt.Printf("%s at byte %d: %s; genuine: %s\n", t.Name, t.Offset, t.Found, t.Expected)
	}
	fmt.Println("claim:", known.CheckClaim(&o, candidates).Verdict)
	// Output:
	// like: Chromium
	// ech-aead at byte 286: ChaCha20Poly1305, with TLS_AES_128_GCM_SHA256 as first cipher suite; genuine: AES-128-GCM where AES is first: both follow from the processor
	// claim: inconsistent
}
