package explain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// knownSamples returns the hellos of the built-in clients, of which those with the same
// lists in the same order are there once.
func knownSamples(t testing.TB) (samples []Sample) {
	entries, err := known.BuiltinEntries()
	require.NoError(t, err)
	seen := make(map[string]bool)
	for i := range entries {
		h, err := entries[i].ParseHello()
		require.NoError(t, err)
		if h == nil || h.SSLv2 || seen[fingerprint.JA4RO(h)+string(h.ServerName)] {
			continue
		}
		seen[fingerprint.JA4RO(h)+string(h.ServerName)] = true
		samples = append(samples, Sample{Client: entries[i].Name, Input: fingerprint.Input{Hello: h}})
	}
	require.NotEmpty(t, samples)
	return samples
}

// printedBy returns the notes on who prints a text.
func printedBy(t *testing.T, text string, samples []Sample) (notes []string) {
	e, err := Text(text)
	require.NoError(t, err)
	e.AddSamples(slices.Values(samples))
	for _, n := range e.Notes {
		if strings.HasPrefix(n, "Printed by ") {
			notes = append(notes, n)
		}
	}
	return notes
}

// withRows returns what a tool prints for h that has the given deviations.
func withRows(h *parser.ClientHello, rows []int) string {
	p := newJA4Parts(h)
	for _, i := range rows {
		ja4Deviations[i].change(p, h)
	}
	return p.String()
}

// TestCombinations: of every known hello, what a deviation prints is explained. So is what
// two or three print together, by as many or fewer, which do print it; of this, one hello
// is tried of those that the same deviations change.
func TestCombinations(t *testing.T) {
	tried, together := 0, 0
	alike := make(map[string]int) // hellos, by the deviations that change them
	seen := make(map[string]bool)
	for _, s := range knownSamples(t) {
		h := s.Input.Hello
		if seen[fingerprint.JA4(h)] { // the order of extensions and names matter little
			continue
		}
		seen[fingerprint.JA4(h)] = true
		var rows []int
		lists, places := sortDeviations(newJA4Parts(h), h)
		for _, a := range append(lists, places...) {
			rows = append(rows, a.row)
		}
		slices.Sort(rows)
		most := 3
		if alike[fmt.Sprint(rows)]++; alike[fmt.Sprint(rows)] > 1 {
			most = 1
		}
		for size := 1; size <= min(most, len(rows)); size++ {
			for set := range subsets(len(rows), size) {
				var chosen []int
				for _, i := range set {
					chosen = append(chosen, rows[i])
				}
				text := withRows(h, chosen)
				if _, err := ParseJA4(text); err != nil || text == fingerprint.JA4(h) {
					continue // no text that can be given to explain, or nothing to explain
				}
				tried++
				found := newCombiner(text).combinations(h, len(ja4Deviations))
				require.NotEmpty(t, found, "%s by %v of %s", text, chosen, fingerprint.JA4(h))
				for _, c := range found {
					require.LessOrEqual(t, len(c.rows), size)
					require.Equal(t, len(found[0].rows), len(c.rows))
					require.Equal(t, text, withRows(h, c.rows), "%v", c.rows)
					if len(c.rows) > 1 && len(c.list) > 0 {
						together++
					}
				}
			}
		}
	}
	assert.Greater(t, tried, 2000)
	assert.Positive(t, together, "by one tool")
}

// TestExactValuesDeviateFromNothing: no note on the value of a known hello says that a tool
// prints it for that hello, and those that name another have one deviation.
func TestExactValuesDeviateFromNothing(t *testing.T) {
	samples := knownSamples(t)
	seen := make(map[string]bool)
	for i, s := range samples {
		h := s.Input.Hello
		assert.Empty(t, newCombiner(fingerprint.JA4(h)).combinations(h, len(ja4Deviations)))
		for _, text := range []string{fingerprint.JA4(h), fingerprint.JA4O(h)} {
			if !seen[text] && i%4 == 0 {
				seen[text] = true
				for _, note := range printedBy(t, text, samples) {
					require.NotContains(t, note, "whose JA4 is "+fingerprint.JA4(h)+":")
					require.NotContains(t, note, "deviates in", "several deviations of %s", text)
				}
			}
		}
	}
}

// TestFewestDeviationsFirst has texts that real tools print.
func TestFewestDeviationsFirst(t *testing.T) {
	var samples []Sample
	for _, s := range knownSamples(t) {
		if fingerprint.JA4(s.Input.Hello) == "t13d1516h2_8daaf6152771_d8a2da3f94cd" {
			samples = append(samples, s)
		}
	}
	require.NotEmpty(t, samples)
	chrome := samples[0].Input.Hello
	for text, want := range map[string]string{
		"t13d1514h2_8daaf6152771_bc9a4605e104": "Printed by nginx on OpenSSL, Varnish on OpenSSL, CrowdSec's Lua on OpenSSL for a hello whose JA4 is t13d1516h2_8daaf6152771_d8a2da3f94cd: extensions that OpenSSL does not know are missing (",
		"t13d1516h2_8daaf6152771_8802cfb92a1f": "Printed by tools that keep server_name for a hello whose JA4 is t13d1516h2_8daaf6152771_d8a2da3f94cd: server_name kept among the extensions (",
	} {
		notes := printedBy(t, text, samples)
		require.Len(t, notes, 1)
		assert.Contains(t, notes[0], want)
	}

	row := func(name string) int { return slices.Index(ja4Names(), name) }
	both := withRows(chrome, []int{row("server_name kept among the extensions"), row("extensions that OpenSSL does not know are missing")})
	notes := printedBy(t, both, samples)
	require.Len(t, notes, 1)
	assert.Contains(t, notes[0], "Printed by a tool that deviates in 2 ways for a hello whose JA4 is t13d1516h2_8daaf6152771_d8a2da3f94cd: "+
		"server_name kept among the extensions, as tools that keep server_name (")
	assert.Contains(t, notes[0], "; extensions that OpenSSL does not know are missing, as nginx on OpenSSL, ")
}

// TestOneToolComesFirst: what one tool prints because of two deviations is told as its own.
func TestOneToolComesFirst(t *testing.T) {
	h := hellotest.Hello(hellotest.Extension(parser.ExtALPN, hellotest.ALPN("h"))) // one character, and no server_name
	samples := []Sample{{Client: "a", Input: fingerprint.Input{Hello: h}}}
	rows := []int{}
	for i := range ja4Deviations {
		if slices.Contains(strings.Split(ja4Deviations[i].tools, ", "), "nDPI") && withRows(h, []int{i}) != fingerprint.JA4(h) {
			rows = append(rows, i)
		}
	}
	require.Greater(t, len(rows), 1)
	notes := printedBy(t, withRows(h, rows), samples)
	require.NotEmpty(t, notes)
	assert.Contains(t, notes[0], "Printed by nDPI for a hello whose JA4 is "+fingerprint.JA4(h)+": ")
	assert.Contains(t, notes[0], "; ")
}

// TestKeptGREASE: a tool that keeps GREASE among the signature algorithms prints another
// value on each connection; all of them are explained by one hello.
func TestKeptGREASE(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	require.True(t, slices.ContainsFunc(h.SignatureAlgorithms, parser.IsGREASE[parser.SignatureScheme]))
	samples := []Sample{{Client: "Chromium", Input: fingerprint.Input{Hello: h}}}
	r := rand.New(rand.NewPCG(1, 2))
	texts := make(map[string]bool)
	for range 30 {
		other := &parser.ClientHello{}
		require.NoError(t, other.Unmarshal(hellotest.Regrease(r, h)))
		p := newJA4Parts(other)
		p.algorithms = other.SignatureAlgorithms
		texts[p.String()] = true
	}
	require.Greater(t, len(texts), 5)
	for text := range texts {
		notes := printedBy(t, text, samples)
		require.Len(t, notes, 1)
		assert.Contains(t, notes[0], keepsGREASE)
		assert.Contains(t, notes[0], "FoxIO's Rust")
	}
}

// TestJA3OfOtherTools: what a tool prints as the JA3 of a known hello is explained, and the
// JA3 of none is.
func TestJA3OfOtherTools(t *testing.T) {
	firefox := hellotest.Real(t)["firefox-153"]
	samples := []Sample{{Client: "Firefox", Input: fingerprint.Input{Hello: firefox}}}
	list := JA3Deviations(firefox)
	require.NotEmpty(t, list)
	for _, d := range list {
		notes := printedBy(t, strings.ToUpper(d.Text), samples)
		require.Len(t, notes, 1)
		assert.Equal(t, "Printed by "+d.Tools+" for a hello whose JA3 is "+fingerprint.JA3(firefox)+": "+d.Name+" ("+d.Why+").", notes[0])
	}
	known := knownSamples(t)
	seen := make(map[string]bool)
	for _, s := range known {
		if text := fingerprint.JA3(s.Input.Hello); !seen[text] && len(seen) < 100 {
			seen[text] = true
			require.Empty(t, printedBy(t, text, known), text)
		}
	}
}

// TestManyExplanations: there are no more than can be read, and the number of the others.
// OpenSSL hides what distinguishes these hellos.
func TestManyExplanations(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	var samples []Sample
	for i := range maxNotes + 3 {
		list := append(slices.Clone(h.Extensions), parser.Extension{Type: parser.ExtensionType(0x5a00 + i)})
		samples = append(samples, Sample{Input: fingerprint.Input{Hello: hellotest.Rebuild(t, h, h.CipherSuites, list)}})
	}
	row := slices.Index(ja4Names(), "extensions that OpenSSL does not know are missing")
	e, err := Text(withRows(h, []int{row}))
	require.NoError(t, err)
	e.AddSamples(slices.Values(samples))
	assert.Len(t, slices.DeleteFunc(slices.Clone(e.Notes), func(n string) bool { return !strings.HasPrefix(n, "Printed by nginx on OpenSSL") }), maxNotes)
	assert.Contains(t, e.Notes, "3 explanations of as many deviations left out.")
}

// ja4Names returns the names of all deviations, in the order of the table.
func ja4Names() (names []string) {
	for i := range ja4Deviations {
		names = append(names, ja4Deviations[i].name)
	}
	return names
}

func TestSubsets(t *testing.T) {
	var got [][]int
	for s := range subsets(4, 2) {
		got = append(got, slices.Clone(s))
	}
	assert.Equal(t, [][]int{{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}}, got)
	for size, want := range []int{1, 3, 3, 1} {
		n := 0
		for range subsets(3, size) {
			n++
		}
		assert.Equal(t, want, n)
	}
}

// BenchmarkExplainUnknown explains a text with the suites of Chromium that no combination
// makes.
func BenchmarkExplainUnknown(b *testing.B) {
	samples := knownSamples(b)
	for b.Loop() {
		e, err := Text("t13d1516h2_8daaf6152771_0123456789ab")
		require.NoError(b, err)
		e.AddSamples(slices.Values(samples))
	}
}
