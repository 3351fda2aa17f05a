package known

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestLibraryName(t *testing.T) {
	for library, want := range map[string]string{
		"": "", "NSS": "NSS", "OpenSSL 3.0.22": "OpenSSL", "OpenSSL (statically linked)": "OpenSSL", "Go crypto/tls 1.27.2 FIPS": "Go crypto/tls",
		"JSSE OpenJDK 17.0.15": "JSSE", "Network.framework, BoringSSL": "Network.framework", "Conscrypt (BoringSSL)": "Conscrypt", "(x)": "",
		"quinn+rustls (deno)": "quinn+rustls", "Mbed TLS 2.28": "Mbed TLS", "a 1 2": "a",
	} {
		assert.Equal(t, want, libraryName(library), library)
	}
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	for _, e := range entries {
		if e.Library != "" {
			assert.Regexp(t, `^[^(),]+[^ ]$`, libraryName(e.Library))
			assert.NotRegexp(t, `[0-9]`, libraryName(e.Library), e.Library)
		}
	}
}

func TestNameLibraries(t *testing.T) {
	near := Candidate{Name: "curl", Version: "8.5.0", Family: "OpenSSL+curl", Library: "OpenSSL 3.0.13", Kind: KindTool, Distance: namedDistance}
	list := []Candidate{near,
		{Name: "ncat", Version: "7.9", Family: "OpenSSL", Library: "OpenSSL 1.1.1n", Kind: KindTool, Distance: namedDistance + 1, Differs: FieldALPN},
		{Name: "axel", Version: "2.1", Family: "OpenSSL", Library: "OpenSSL 3.0.22", Kind: KindTool, Distance: namedDistance + 2},
		{Name: "uTLS", Version: "Chrome_100", Family: "Chromium", Library: "uTLS 1.8.2", Kind: KindImpersonator, Distance: namedDistance + 2},
		{Name: "Fortigate", Family: "interceptor", Kind: KindProxy, Distance: namedDistance + 3, Recorded: true},
		{Name: "mine", Version: "1", Distance: namedDistance + 4},
	}
	assert.Equal(t, []Candidate{near,
		{Name: "OpenSSL", Family: "OpenSSL", Library: "OpenSSL 1.1.1n", Kind: KindLibrary, Distance: namedDistance + 1, Differs: FieldALPN},
		{Name: "mine", Kind: KindLibrary, Distance: namedDistance + 4},
	}, nameLibraries(list))
	assert.Empty(t, nameLibraries(nil))
}

// No client is named that is far from a hello, neither as one of the known nor as an
// imitation, but there is always an answer.
func TestFarHellos(t *testing.T) {
	var m Matcher
	far := 0
	for name, h := range hellotest.Real(t) {
		for n := range 16 {
			h := edit(h, func(h *parser.ClientHello) {
				for i := range n {
					h.CipherSuites = append(h.CipherSuites, parser.CipherSuite(0x5600+i))
					h.SupportedGroups = append(h.SupportedGroups, parser.NamedGroup(0x5600+i))
					h.SignatureAlgorithms = append(h.SignatureAlgorithms, parser.SignatureScheme(0x5600+i))
				}
			})
			for range 2 { // the second answer is remembered
				got := m.AppendCandidates(nil, &Observation{Hello: h, RecordVersion: parser.VersionTLS10})
				require.NotEmpty(t, got, name)
				for i, c := range got {
					if c.Distance > namedDistance && !(i == 0 && c.Kind == KindBrowser) {
						far++
						assert.Equal(t, KindLibrary, c.Kind, "%s: %v", name, c)
						assert.Empty(t, c.Version, "%s: %v", name, c)
						assert.NotContains(t, []string{"curl", "Chromium", "Firefox", "uTLS"}, c.Name, name)
					}
				}
			}
		}
	}
	assert.Greater(t, far, 100)
}
