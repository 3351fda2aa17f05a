// Package arch has the rule which package may import which, as a test.
package arch

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/tlspeek/tlspeek"

// allowed lists, for each package, what it may import beyond the standard
// library: packages of this module by their folder, others by a prefix of their path.
var allowed = map[string][]string{
	"parser":                {"internal/jsonw", "internal/quicversion", "internal/tlsrecord", "internal/varint", "golang.org/x/crypto/cryptobyte"},
	"quichello":             {"internal/quicversion", "internal/tlsrecord", "internal/varint", "golang.org/x/crypto/cryptobyte"},
	"fingerprint":           {"internal/grease", "internal/varint", "parser", "golang.org/x/crypto/cryptobyte", "golang.org/x/net/http2/hpack"},
	"fingerprint/explain":   {"fingerprint", "internal/http2setting", "internal/http3name", "parser"},
	"known":                 {"internal/grease", "internal/jsonw", "internal/lru", "internal/padding", "parser", "fingerprint"},
	"event":                 {"internal/grease", "internal/jsonw", "internal/padding", "parser", "fingerprint", "known"},
	"capture":               {"event", "fingerprint", "internal/lru", "internal/observe", "internal/tlsrecord", "parser", "quichello", "github.com/google/gopacket", "github.com/klauspost/compress", "github.com/mikelolasagasti/xz", "github.com/pierrec/lz4"},
	"output":                {"event", "fingerprint", "known"},
	"tally":                 {"event", "output", "github.com/klauspost/compress/s2"},
	"policy":                {"event", "fingerprint", "internal/nearest", "known", "parser", "signals", "cel.dev/cel-go", "go.yaml.in/yaml/v3", "golang.org/x/net/idna"},
	"signals":               {"event", "known", "github.com/axiomhq/hyperloglog"},
	"sink":                  {"event", "internal/atomicfile"},
	"server":                {"internal/budget", "internal/fieldname", "internal/jsonw", "internal/lru", "internal/observe", "internal/tlsrecord", "parser", "quichello", "fingerprint", "known", "event", "golang.org/x/net", "github.com/quic-go/quic-go", "github.com/mileusna/useragent", "github.com/pires/go-proxyproto", "github.com/dunglas/httpsfv", "internal/headertext"},
	"server/guard":          {"server", "policy", "event", "internal/refusal"},
	"server/proxy":          {"internal/fieldname", "internal/refusal", "server", "golang.org/x/net/http/httpguts", "golang.org/x/net/idna", "event", "internal/headertext", "internal/lru", "internal/tlsrecord", "parser", "github.com/pires/go-proxyproto"},
	"server/echo":           {"internal/http2setting", "server", "parser", "known", "event", "internal/answers"},
	"server/page":           {"internal/observe", "server", "parser", "quichello", "fingerprint", "fingerprint/explain", "known", "event", "internal/answers"},
	"internal/answers":      {"internal/budget", "server", "parser", "known", "event"},
	"internal/budget":       {},
	"internal/refusal":      {},
	"internal/grease":       {"parser"},
	"internal/fieldname":    {},
	"internal/headertext":   {"known"},
	"internal/padding":      {"parser"},
	"internal/varint":       {"golang.org/x/crypto/cryptobyte"},
	"internal/observe":      {"parser", "quichello", "fingerprint", "event"},
	"internal/captureinput": {"capture"},
	"internal/helloinput":   {"capture", "event", "fingerprint", "internal/observe", "parser", "quichello"},
	"internal/clientfile":   {"capture", "fingerprint", "known", "parser"},
	"internal/learn":        {"fingerprint", "known", "parser"},
	"internal/filter":       {"event", "internal/nearest", "known", "parser", "policy"},
	"internal/eval":         {"parser", "fingerprint", "known"},
	"internal/listen":       {"internal/atomicfile", "github.com/coreos/go-systemd/v22/activation"},
	"internal/nearest":      {},
	"internal/preflight":    {"internal/listen", "internal/nearest", "github.com/stretchr/testify"},
	"internal/licenses":     {"github.com/stretchr/testify"},
	"internal/hellotest":    {"parser", "github.com/stretchr/testify"},
	"internal/servertest":   {"server", "internal/listen", "github.com/stretchr/testify"},
	"internal/sitetest":     {"github.com/stretchr/testify"},
	"internal/peertest":     {"internal/sitetest", "github.com/stretchr/testify", "golang.org/x/net/websocket"},

	"internal/peertest/plain":     {},
	"internal/peertest/speed":     {},
	"docs/examples/proxy/backend": {"github.com/pires/go-proxyproto"},
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	require.NoError(t, err)
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := make(map[string]bool)
	for dec.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		require.NoError(t, dec.Decode(&p))
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		seen[name] = true
		for _, imp := range p.Imports {
			assert.True(t, mayImport(name, imp), "%s imports %s", name, imp)
		}
	}
	assert.True(t, seen["parser"] && seen["cmd/tlspeek"], "go list named %v", seen)
	for name := range allowed {
		assert.True(t, seen[name], "there is no package %s", name)
	}
}

// TestArchitectureDocument has docs/architecture.md name files and packages that
// exist, and each package.
func TestArchitectureDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	require.NoError(t, err)
	named := make(map[string]bool)
	for _, m := range regexp.MustCompile("`([a-z0-9_/]+(?:/[a-zA-Z0-9_.*]*)?)`").FindAllStringSubmatch(string(text), -1) {
		path := strings.TrimSuffix(m[1], "/")
		named[path] = true
		if !strings.Contains(path, "/") || path == "net/http/pprof" || strings.ContainsAny(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			continue
		}
		found, err := filepath.Glob("../../" + path)
		require.NoError(t, err)
		assert.NotEmpty(t, found, "docs/architecture.md names %s", path)
	}
	for name := range allowed {
		if !strings.HasPrefix(name, "internal/") {
			assert.True(t, named[name], "docs/architecture.md lacks %s", name)
		}
	}
}

func mayImport(name, imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	if !strings.Contains(first, ".") { // the standard library
		// These two add to http.DefaultServeMux, which an embedding server may show to all.
		return strings.HasPrefix(name, "cmd/") || imp != "net/http/pprof" && imp != "expvar"
	}
	own, isOwn := strings.CutPrefix(imp, module+"/")
	switch {
	case strings.HasPrefix(imp, "github.com/google/gopacket") && name != "capture":
		return false
	case strings.HasPrefix(name, "cmd/"):
		return true
	}
	return slices.ContainsFunc(allowed[name], func(a string) bool {
		return isOwn && own == a || !isOwn && (imp == a || strings.HasPrefix(imp, a+"/"))
	})
}

func TestMayImport(t *testing.T) {
	assert.True(t, mayImport("parser", "fmt"))
	assert.True(t, mayImport("parser", "golang.org/x/crypto/cryptobyte"))
	assert.False(t, mayImport("parser", "golang.org/x/crypto/chacha20"))
	assert.False(t, mayImport("parser", module+"/fingerprint"))
	assert.False(t, mayImport("server", "github.com/google/gopacket/layers"))
	assert.False(t, mayImport("server", "github.com/caddyserver/certmagic"))
	assert.False(t, mayImport("server", "net/http/pprof"))
	for _, own := range []string{"capture", "output", "sink", "server/echo", "server/page", "tally"} {
		assert.False(t, mayImport("server", module+"/"+own), own)
	}
	assert.False(t, mayImport("server/echo", module+"/server/page"))
	assert.False(t, mayImport("server/page", module+"/server/echo"))
	assert.False(t, mayImport("newcomer", module+"/parser"))
}
