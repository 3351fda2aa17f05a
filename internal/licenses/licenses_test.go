package licenses_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/licenses"
)

// TestEveryModuleIsThere compares the list with what is linked on this system. A new
// version needs its licences read again: go generate ./internal/licenses.
func TestEveryModuleIsThere(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "./cmd/tlspeek")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	linked := slices.Compact(slices.Sorted(strings.Lines(string(out))))
	require.NotEmpty(t, linked)
	for _, m := range linked {
		if m = strings.TrimSpace(m); m != "" {
			assert.Contains(t, licenses.Text, "\n"+m+" ", "run go generate ./internal/licenses")
			path, _, _ := strings.Cut(m, " ")
			assert.Contains(t, licenses.Text, "\n"+path+": ", "its licence in full")
		}
	}
	assert.Contains(t, licenses.Text, "\nGo's standard library and runtime: LICENSE\n")
}

// TestOwnNotice has the LICENSE and NOTICE of tlspeek in the text.
func TestOwnNotice(t *testing.T) {
	for _, name := range []string{"../../LICENSE", "../../NOTICE"} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.Contains(t, licenses.Text, strings.TrimSpace(string(text)), "run go generate ./internal/licenses")
	}
}

// TestDataIsInNotice finds the sources of clients that are under a licence of others,
// such as "owner/repository FILE (BSD-3-Clause)", and of the registries in NOTICE.
func TestDataIsInNotice(t *testing.T) {
	notice, err := os.ReadFile("../../NOTICE")
	require.NoError(t, err)
	clients, err := os.ReadFile("../../known/clients.jsonl")
	require.NoError(t, err)
	sources := regexp.MustCompile(`"source":"([^" ]+/[^" ]+)[^"]*\(`).FindAllSubmatch(clients, -1)
	require.NotEmpty(t, sources)
	for _, s := range sources {
		assert.Contains(t, string(notice), "https://github.com/"+string(s[1]))
	}
	assert.DirExists(t, "../../parser/iana")
	assert.Contains(t, string(notice), "parser/iana")
}
