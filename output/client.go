package output

import (
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// A clientPart is a column with a part of each candidate.
type clientPart struct {
	name     string
	inTables inTables
	unknown  string // in a BestColumn, of a hello that no known client is near
	appendTo func(dst []byte, c *known.Candidate) []byte
}

var clientParts = [...]clientPart{
	{"client.name", inFull, known.Unknown, func(dst []byte, c *known.Candidate) []byte { return append(dst, c.Name...) }},
	{"client.version", inNone, "", func(dst []byte, c *known.Candidate) []byte { return append(dst, c.Version...) }},
	{"client.family", inNone, known.Unknown, func(dst []byte, c *known.Candidate) []byte { return append(dst, c.Family...) }},
	{"client.library", inNone, "", func(dst []byte, c *known.Candidate) []byte { return append(dst, c.Library...) }},
	{"client.kind", inNone, known.Unknown, func(dst []byte, c *known.Candidate) []byte { return append(dst, c.Kind.String()...) }},
	{"client.learned", inNone, "", func(dst []byte, c *known.Candidate) []byte { return appendTrue(dst, c.Learned) }},
	{"client.distance", inNone, "", func(dst []byte, c *known.Candidate) []byte { return appendInt(dst, int(c.Distance)) }},
	{"client.differs", inNone, "", func(dst []byte, c *known.Candidate) []byte {
		if c.Differs == 0 {
			return dst
		}
		return appendJSON(dst, c.Differs)
	}},
	{"client.recorded", inNone, "", func(dst []byte, c *known.Candidate) []byte { return appendTrue(dst, c.Recorded) }},
}

func clientColumns() []Column {
	columns := make([]Column, len(clientParts))
	for i := range columns {
		p := &clientParts[i]
		columns[i] = Column{p.name, event.Compact, p.inTables, func(dst []byte, e *event.Event) []byte {
			return appendEach(dst, e.Client, p.appendTo)
		}}
	}
	return columns
}

// BestColumnOf returns the column of the given name for counting. It is that of
// [ColumnOf] but for the parts of a client, such as "client.name": of these it has the
// value of the candidate that [known.Best] returns alone, so that the hellos of one
// client are not counted under each list of candidates. Where there is none, the name,
// the family and the kind are [known.Unknown], unless there is no hello to identify.
func BestColumnOf(name string) (Column, error) {
	c, err := ColumnOf(name)
	if !strings.HasPrefix(name, "client.") {
		return c, err
	}
	for i := range clientParts {
		if p := &clientParts[i]; p.name == name {
			c.appendTo = p.appendBest
		}
	}
	return c, err
}

func (p *clientPart) appendBest(dst []byte, e *event.Event) []byte {
	switch best := known.Best(e.Client); {
	case best != nil:
		return p.appendTo(dst, best)
	case e.Error != "":
		return dst
	}
	return append(dst, p.unknown...)
}
