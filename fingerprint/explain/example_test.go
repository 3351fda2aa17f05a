package explain_test

import (
	"fmt"

	"github.com/tlspeek/tlspeek/fingerprint/explain"
)

func ExampleText() {
	e, err := explain.Text("t13d1516h2_8daaf6152771_e5627efa2ab1")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range e.Parts[:4] {
		fmt.Println(p.Text, p.Meaning)
	}
	// Output:
	// t TLS over TCP
	// 13 TLS 1.3 is the highest version offered
	// d server_name was sent
	// 15 15 cipher suites
}

func ExampleParseJA4() {
	v, err := explain.ParseJA4("t13d1516h2_8daaf6152771_e5627efa2ab1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Version, v.CipherSuites, v.Extensions, v.ALPN)
	_, err = explain.ParseJA4("t13d1516h2_8daaf6152771")
	fmt.Println(err)
	// Output:
	// 13 15 16 h2
	// fingerprint: JA4 "t13d1516h2_8daaf6152771": 2 parts between underscores, not 3 (one looks like t13d1516h2_8daaf6152771_e5627efa2ab1)
}

func ExampleDiffTexts() {
	d, err := explain.DiffTexts("771,4865-4866,0-10,29,0", "771,4865,0-10-43,29,0")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range d.Changes[:2] {
		fmt.Println(c)
	}
	// Output:
	// cipher_suites: removed 4866 TLS_AES_256_GCM_SHA384, place 2
	// extensions: added 43 supported_versions, place 3
}
