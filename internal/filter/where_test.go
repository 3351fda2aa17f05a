package filter

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/signals"
)

func where(t *testing.T, texts ...string) *Where {
	w, err := NewWhere(texts, policy.EnvOptions{})
	require.NoError(t, err)
	return w
}

// TestWhereNeeds: what is computed for expressions is what they read.
func TestWhereNeeds(t *testing.T) {
	for _, test := range []struct {
		texts   []string
		size    event.Size
		clients bool
		live    []string
	}{
		{nil, event.Compact, false, nil},
		{[]string{`sni == ""`}, event.Compact, false, nil},
		{[]string{`sni == ""`, `carrier.bytes > 1`}, event.Full, false, nil},
		{[]string{`size(raw) > 1`}, event.Detail, false, nil},
		{[]string{`size(client) > 1`}, event.Compact, true, nil},
		{[]string{`ja4 == ""`, `has(event.tells)`}, event.Compact, true, nil},
		{[]string{`claim.verdict == "unknown"`}, event.Compact, true, []string{"claim"}},
		{[]string{`http2 != ""`, `request.path == "" || handshake.resumed`}, event.Full, false, []string{"handshake", "http2", "request"}},
	} {
		w := where(t, test.texts...)
		assert.Equal(t, test.texts != nil, w.IsSet())
		assert.Equal(t, test.size, w.Size(), test.texts)
		assert.Equal(t, test.clients, w.NeedsClients(), test.texts)
		assert.Equal(t, test.live, w.LiveKeys(), test.texts)
	}
}

func TestWhereErrors(t *testing.T) {
	_, err := NewWhere([]string{"true", "snii == 1"}, policy.EnvOptions{})
	assert.ErrorContains(t, err, "there is no key snii")
	w, err := NewWhere([]string{"agg(ja4).paths > 1"}, policy.EnvOptions{Agg: func(string) (signals.Values, bool) { return signals.Values{Paths: 2}, true }})
	require.NoError(t, err)
	assert.True(t, w.Uses("agg"))
	assert.False(t, w.Uses("inList"))
	j := Judge{Where: w}
	assert.True(t, j.Match(&event.Event{}))
}

// TestJudge: an expression of several suffices; one that fails is not true, and is
// counted if no other is true, with the first hello by file and packet.
func TestJudge(t *testing.T) {
	empty := Judge{Where: where(t)}
	assert.True(t, empty.Match(&event.Event{}))

	w := where(t, `ip(sni) == ip("192.0.2.1")`, `client.exists(c, c.name == "curl")`)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			j := Judge{Where: w}
			for packet := range int64(20) {
				address, name := "192.0.2.1", fmt.Sprintf("x%d", packet)
				e := event.Event{File: fmt.Sprintf("%d.pcap", 3-worker), Packet: 20 - packet, SNI: &address}
				assert.True(t, j.Match(&e))
				e.SNI = &name
				assert.False(t, j.Match(&e))
				e.Client = []known.Candidate{{Name: "curl"}}
				assert.True(t, j.Match(&e))
			}
		})
	}
	wg.Wait()
	n, first := w.Failed()
	assert.Equal(t, int64(80), n)
	assert.Equal(t, "0.pcap", first.File)
	assert.Equal(t, int64(1), first.Packet)
	assert.ErrorContains(t, first.Err, `"x19"`)
	assert.ErrorContains(t, &first, "0.pcap packet 1: ")
}
