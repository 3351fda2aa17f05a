package parser

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExtensionTableIsSorted(t *testing.T) {
	for i := range extensionTable[1:] {
		assert.Less(t, extensionTable[i].typ, extensionTable[i+1].typ)
	}
}

func TestExtensionTableRows(t *testing.T) {
	number := regexp.MustCompile(`^([0-9]+|[A-Z])(\.[0-9]+)*$`)
	for i := range extensionTable {
		row := &extensionTable[i]
		assert.Same(t, row, extensionRowOf(row.typ))
		assert.NotRegexp(t, "^0x", row.typ.String(), "an extension without a name in iana")
		assert.True(t, slices.ContainsFunc(extensionBodies, func(b extensionBody) bool { return b.typ == row.typ }), "%s: no body to test", row.typ)
		switch r := row.typ.Reference(); {
		case r.Document == boringSSL:
			assert.NotEmpty(t, r.Section, row.typ)
		case regexp.MustCompile(`^RFC [0-9]{4}$`).MatchString(r.Document):
			assert.Regexp(t, number, r.Section, row.typ)
		default:
			assert.Regexp(t, `^draft-[a-z0-9-]+$`, r.Document, row.typ)
			assert.Regexp(t, number.String()+"|^$", r.Section, row.typ)
		}
	}
}

// Every constant of type ExtensionType has a row, and every row a constant.
func TestExtensionConstantsHaveRows(t *testing.T) {
	file, err := goparser.ParseFile(token.NewFileSet(), "extension_table.go", nil, 0)
	require.NoError(t, err)
	var constants, rows []ExtensionType
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && typ.Name == "ExtensionType" {
			v, err := strconv.ParseUint(spec.Values[0].(*ast.BasicLit).Value, 0, 16)
			require.NoError(t, err, spec.Names[0].Name)
			constants = append(constants, ExtensionType(v))
		}
		return true
	})
	for _, row := range extensionTable {
		rows = append(rows, row.typ)
	}
	slices.Sort(constants)
	assert.Equal(t, constants, rows)
}

func TestReference(t *testing.T) {
	for typ, want := range map[ExtensionType][2]string{
		ExtKeyShare:               {"RFC 8446 §4.2.8", "https://www.rfc-editor.org/rfc/rfc8446.html#section-4.2.8"},
		ExtExternalSessionID:      {"RFC 8844 §4.3", "https://www.rfc-editor.org/rfc/rfc8844.html#section-4.3"},
		extCertWithExternPSK:      {"RFC 9973 §5", "https://www.rfc-editor.org/rfc/rfc9973.html#section-5"},
		ExtApplicationSettings:    {"vvv-tls-alps", "https://datatracker.ietf.org/doc/html/draft-vvv-tls-alps"},
		ExtApplicationSettingsOld: {"vvv-tls-alps", "https://datatracker.ietf.org/doc/html/draft-vvv-tls-alps"},
		ExtServerPadding:          {"BoringSSL tls1.h", "https://boringssl.googlesource.com/boringssl/+/HEAD/include/openssl/tls1.h"},
		0x1a1a:                    {"RFC 8701 §3.1", "https://www.rfc-editor.org/rfc/rfc8701.html#section-3.1"},
		26:                        {"", ""}, // tls_lts, whose body may be anything
		0xfefe:                    {"", ""},
	} {
		r := typ.Reference()
		assert.Equal(t, want, [2]string{r.Text(), r.URL()}, typ)
	}
	appendix := Reference{Document: "RFC 8446", Section: "D.4"}
	assert.Equal(t, "https://www.rfc-editor.org/rfc/rfc8446.html#appendix-D.4", appendix.URL())
	assert.Equal(t, "RFC 9000", Reference{Document: "RFC 9000"}.Text())
	assert.Equal(t, "https://www.rfc-editor.org/rfc/rfc9000.html", Reference{Document: "RFC 9000"}.URL())
}

// TestDecodeAgreesWithTable changes each body of extensionBodies in many ways.
// decode must take the same bodies as well formed as the table's reader, for
// all types that it knows: the fast path would hide an error, or be missed.
func TestDecodeAgreesWithTable(t *testing.T) {
	variants := make(map[ExtensionType][][]byte)
	for _, c := range extensionBodies {
		variants[c.typ] = append(variants[c.typ], variantsOf(fromHex(c.hex))...)
	}
	fast := 0
	for typ, bodies := range variants {
		known := slices.ContainsFunc(bodies, func(b []byte) bool { return new(ClientHello).decode(typ, b) })
		if known {
			fast++
		}
		for _, body := range bodies {
			var h ClientHello
			ok := h.decode(typ, body)
			err := h.check(&Extension{Type: typ, Data: body})
			if ok {
				require.Nil(t, err, "%s %x", typ, body)
			} else if known && typ != ExtStatusRequest { // whose usual body alone is decoded
				require.NotNil(t, err, "%s %x", typ, body)
			}
		}
	}
	assert.Greater(t, fast, 20)
}

// variantsOf returns body, its prefixes, and it with a byte added or changed.
func variantsOf(body []byte) [][]byte {
	all := [][]byte{append(slices.Clone(body), 0)}
	for n := range len(body) + 1 {
		all = append(all, body[:n])
	}
	for i := range body {
		for _, v := range []byte{0, 1, body[i] - 1, body[i] + 1, 0x40, 0xff} {
			changed := slices.Clone(body)
			changed[i] = v
			all = append(all, changed)
		}
	}
	return all
}
