package headertext

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/known"
)

func TestNearestNames(t *testing.T) {
	assert.Empty(t, NearestNames(nil))
	assert.Empty(t, NearestNames([]known.Candidate{{Name: "far", Distance: near}}))
	assert.Equal(t, []string{"a", "b"}, NearestNames([]known.Candidate{{Name: "a", Distance: 5}, {Name: "b", Distance: 5}, {Name: "a", Distance: 5}, {Name: "c", Distance: 6}}))
	var many []known.Candidate
	for c := range 20 {
		many = append(many, known.Candidate{Name: string(rune('a' + c))})
	}
	assert.Len(t, NearestNames(many), maxClients)
}

func TestList(t *testing.T) {
	assert.Equal(t, "", List(nil))
	assert.Equal(t, `curl, a\x2cb, \xc3\xa4\x0a`, List([]string{"curl", "a,b", "ä\n"}))
}
