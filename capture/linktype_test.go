package capture

import (
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLinkConstants requires a description, a row and a reader for each constant,
// and a constant for each row with a reader.
func TestLinkConstants(t *testing.T) {
	file, err := goparser.ParseFile(token.NewFileSet(), "linktype.go", nil, goparser.ParseComments)
	require.NoError(t, err)
	var constants, readable []LinkType
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "LinkType" {
			return true
		}
		name := spec.Names[0].Name
		number, err := strconv.ParseUint(spec.Values[0].(*ast.BasicLit).Value, 10, 16)
		require.NoError(t, err, name)
		assert.Regexp(t, "^Link[0-9A-Z]", name)
		assert.NotEmpty(t, spec.Comment.Text(), "%s has no description", name)
		constants = append(constants, LinkType(number))
		return true
	})
	require.NotEmpty(t, constants)
	for _, row := range linkTypes {
		if row.read != nil {
			readable = append(readable, row.number)
		}
	}
	for _, link := range readable {
		assert.True(t, slices.Contains(constants, link), "link type %v has a reader and no constant", link)
	}
	for _, link := range constants {
		assert.True(t, slices.Contains(readable, link), "link type %v has a constant and no row with a reader in linkTypes", link)
	}
}

func TestLinkTypes(t *testing.T) {
	docs, err := os.ReadFile("../docs/capture.md")
	require.NoError(t, err)
	for i, row := range linkTypes {
		if i > 0 {
			assert.Less(t, linkTypes[i-1].number, row.number)
		}
		assert.Regexp(t, "^[A-Z0-9_]+$", row.name, row.number)
		assert.Equal(t, fmt.Sprintf("%d (%s)", row.number, row.name), row.number.String())
		line := fmt.Sprintf("| %d | %s | ", row.number, row.name)
		assert.Equal(t, row.read != nil, strings.Contains(string(docs), "\n"+line), "docs/capture.md has a line %q if packets of the type can be read", line)
	}
}

func TestLinkTypeString(t *testing.T) {
	for want, link := range map[string]LinkType{
		"1 (ETHERNET)": LinkEthernet, "146": 146, "147 (USER0)": 147, "162 (USER15)": 162,
		"163 (IEEE802_11_AVS)": LinkAVS, "220 (USB_LINUX_MMAPPED)": 220, "65535": 65535,
	} {
		assert.Equal(t, want, link.String())
	}
}

// TestLinkTypesOfGopacket requires a row for each link type that gopacket names.
func TestLinkTypesOfGopacket(t *testing.T) {
	for _, link := range []layers.LinkType{
		layers.LinkTypeNull, layers.LinkTypeEthernet, layers.LinkTypeAX25, layers.LinkTypeTokenRing, layers.LinkTypeArcNet,
		layers.LinkTypeSLIP, layers.LinkTypePPP, layers.LinkTypeFDDI, layers.LinkTypePPP_HDLC, layers.LinkTypePPPEthernet,
		layers.LinkTypeATM_RFC1483, layers.LinkTypeRaw, layers.LinkTypeC_HDLC, layers.LinkTypeIEEE802_11, layers.LinkTypeFRelay,
		layers.LinkTypeLoop, layers.LinkTypeLinuxSLL, layers.LinkTypeLTalk, layers.LinkTypePFLog, layers.LinkTypePrismHeader,
		layers.LinkTypeIPOverFC, layers.LinkTypeSunATM, layers.LinkTypeIEEE80211Radio, layers.LinkTypeARCNetLinux,
		layers.LinkTypeIPOver1394, layers.LinkTypeMTP2Phdr, layers.LinkTypeMTP2, layers.LinkTypeMTP3, layers.LinkTypeSCCP,
		layers.LinkTypeDOCSIS, layers.LinkTypeLinuxIRDA, layers.LinkTypeLinuxLAPD, layers.LinkTypeLinuxUSB, layers.LinkTypeFC2,
		layers.LinkTypeFC2Framed, layers.LinkTypeIPv4, layers.LinkTypeIPv6,
	} {
		assert.NotNil(t, rowOfLink(linkTypes, LinkType(link)), "no row for link type %d", link)
	}
}
