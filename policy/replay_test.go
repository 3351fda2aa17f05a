package policy

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

func TestReplay(t *testing.T) {
	r := NewReplay(policyOf(t, explainedPolicy, LoadOptions{}))
	hello := func(packet int64, second int, sni, client string) {
		e := event.Event{File: "x.pcap", Packet: packet, SNI: &sni, Time: time.Unix(int64(second), 0)}
		if client != "" {
			e.Client = []known.Candidate{{Name: client}, {Name: "another"}}
		}
		r.Add(&e)
		assert.Empty(t, e.Tags)
	}
	hello(1, 0, "a.example", "curl")
	hello(2, 0, "a.example", "curl")
	hello(3, 0, "a.example", "Firefox") // over the rate
	hello(9, 5, "a.example", "")        // later
	hello(4, 0, "other", "curl")
	hello(5, 0, "127.0.0.1", "curl")
	hello(6, 0, "", "curl") // to the stage request
	hello(7, 0, "b", "curl")

	result := r.Result(1)
	assert.Equal(t, int64(8), result.Hellos)
	type counts struct {
		name                     string
		matched, decided, errors int64
		example                  string
		clients                  []ClientCount
	}
	var got []counts
	decided := result.Undecided
	for _, c := range result.Rules {
		got = append(got, counts{c.Rule, c.Matched, c.Decided, c.Errors, c.Example, c.Clients})
		decided += c.Decided
	}
	assert.Equal(t, result.Hellos, decided, "each hello is decided by one rule or by none")
	assert.Equal(t, []counts{
		{"broken", 1, 1, 7, "x.pcap:5", []ClientCount{{"curl", 1}}},
		{"other", 1, 1, 0, "x.pcap:4", []ClientCount{{"curl", 1}}},
		{"mark", 7, 0, 0, "x.pcap:1", []ClientCount{{"curl", 5}}},
		{"tagged", 0, 0, 0, "", nil}, // alone it sees no tags
		{"flood", 7, 1, 0, "x.pcap:1", []ClientCount{{"curl", 5}}},
		{"ours", 4, 3, 0, "x.pcap:1", []ClientCount{{"curl", 2}}},
		{"late", 0, 1, 0, "", nil}, // with the tags of mark
		{"agents", 8, 1, 0, "x.pcap:1", []ClientCount{{"curl", 6}}},
		{"default", 0, 0, 0, "", nil},
	}, got)
	assert.Contains(t, result.Rules[0].Error, "a.example")
	assert.Equal(t, "x.pcap:1", result.Rules[0].ErrorExample)
	assert.Equal(t, []string{"user_agent"}, result.Rules[7].Empty)
	assert.Empty(t, result.Rules[3].Empty)
	all := r.Result(10)
	assert.Equal(t, []ClientCount{{"curl", 2}, {"Firefox", 1}, {"unknown", 1}}, all.Rules[5].Clients)

	b, err := json.Marshal(result.Rules[1])
	require.NoError(t, err)
	assert.JSONEq(t, `{"rule":"other","line":5,"stage":"hello","do":"deny","mode":"enforce","matched":1,"decided":1,"errors":0,
		"example":"x.pcap:4","clients":[{"name":"curl","hellos":1}]}`, string(b))
}

// TestReplayDefault: the default counts what it decides, and without one nothing decides.
func TestReplayDefault(t *testing.T) {
	const rule = "rules:\n  - {name: other, when: sni == \"other\", do: deny}\n"
	for text, want := range map[string]ReplayResult{
		"default: close\n" + rule: {Hellos: 1, Rules: []RuleCount{{}, {Matched: 1, Decided: 1}}},
		rule:                      {Hellos: 1, Undecided: 1, Rules: []RuleCount{{}}},
	} {
		r := NewReplay(policyOf(t, text, LoadOptions{}))
		r.Add(&event.Event{File: "x", Packet: 3})
		result := r.Result(3)
		assert.Equal(t, want.Hellos, result.Hellos)
		assert.Equal(t, want.Undecided, result.Undecided)
		require.Len(t, result.Rules, len(want.Rules))
		for i := range want.Rules {
			assert.Equal(t, want.Rules[i].Matched, result.Rules[i].Matched)
			assert.Equal(t, want.Rules[i].Decided, result.Rules[i].Decided)
		}
	}
}
