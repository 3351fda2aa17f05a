package page

import "github.com/tlspeek/tlspeek/parser"

// fieldReference returns the definition of f, or nil where that of its parent has
// it.
func fieldReference(f *parser.Field) *parser.Reference {
	if f.Name == "extension" && len(f.Children) > 0 {
		if v, ok := f.Children[0].Value.(uint64); ok {
			return orNil(parser.ExtensionType(v).Reference())
		}
	}
	return orNil(fieldReferences[f.Name])
}

var fieldReferences = map[string]parser.Reference{
	"client_hello":               {Document: "RFC 8446", Section: "4.1.2"},
	"cipher_suites":              {Document: "RFC 8446", Section: "B.4"},
	"legacy_session_id":          {Document: "RFC 8446", Section: "D.4"},
	"legacy_compression_methods": {Document: "RFC 8446", Section: "4.1.2"},
	"extensions":                 {Document: "RFC 8446", Section: "4.2"},
	"cookie":                     {Document: "RFC 6347", Section: "4.2.1"},
	"cipher_specs":               {Document: "RFC 5246", Section: "E.2"},
}

// orNil returns r, or nil for the zero Reference.
func orNil(r parser.Reference) *parser.Reference {
	if r == (parser.Reference{}) {
		return nil
	}
	return &r
}
