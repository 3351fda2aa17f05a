//go:build shared

package known

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A publishedLine is a line of signatures.jsonl in the directory of TLSPEEK_SHARED.
type publishedLine struct {
	ID, Name, Version, Family, Kind, Transport, Hello string
	UserAgent                                         string `json:"user_agent"`
	HelloIndex                                        int    `json:"hello_index"`
	HTTP2                                             struct {
		UserAgent string `json:"user_agent"`
		Akamai    string
		Headers   []string
	}
	Signature *struct {
		RV, V, Comp, Ciphers string
		SID                  int
		Ext                  []string
	}
}

func (l *publishedLine) entry() Entry {
	e := Entry{Name: l.Name, Transport: l.Transport, Hello: l.Hello}
	if s := l.Signature; s != nil {
		comp := s.Comp
		if comp == "" {
			comp = "00"
		}
		e.Signature = fmt.Sprintf("%s %s %d|%s|%s|%s", s.RV, s.V, s.SID, s.Ciphers, comp, strings.Join(s.Ext, ","))
	}
	return e
}

// TestSharedSignatures: none of the genuine clients there, also those that the database
// lacks, is accused, taken for an imitation, or refuted with its own User-Agent. A proxy
// is no browser, so that it does refute the User-Agent of the browser behind it.
func TestSharedSignatures(t *testing.T) {
	f, err := os.Open(filepath.Join(os.Getenv("TLSPEEK_SHARED"), "signatures", "signatures.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	var m Matcher
	n, claims := 0, 0
	for ; lines.Scan(); n++ {
		var l publishedLine
		require.NoError(t, json.Unmarshal(lines.Bytes(), &l))
		e := l.entry()
		h, err := e.ModelHello()
		require.NoError(t, err, l.ID)
		o := Observation{Hello: h, Index: max(1, l.HelloIndex), HTTP2: l.HTTP2.Akamai}
		o.Request.UserAgent, o.Request.Headers = l.HTTP2.UserAgent, strings.Join(l.HTTP2.Headers, ",")
		if o.Request.UserAgent == "" {
			o.Request.UserAgent = l.UserAgent
		}
		list := m.AppendCandidates(nil, &o)
		require.NotEmpty(t, list, l.ID)
		assert.NotEqual(t, KindImpersonator, list[0].Kind, l.ID)
		if l.Kind == "proxy" {
			continue
		}
		assert.False(t, IsEvidence(AppendTells(nil, &o)), l.ID)
		claim := CheckClaim(&o, list)
		assert.NotEqual(t, VerdictInconsistent, claim.Verdict, "%s: %v", l.ID, claim.Reasons)
		claims += btoi(o.Request.UserAgent != "")
	}
	require.NoError(t, lines.Err())
	assert.Equal(t, 225, n)
	assert.Greater(t, claims, 40)
}
