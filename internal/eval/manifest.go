package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/known"
)

type manifestLine struct {
	File      string          `json:"file"`
	ID        string          `json:"id"`
	Client    text            `json:"client"`
	Version   text            `json:"version"`
	Kind      text            `json:"kind"`
	Group     text            `json:"group"`
	HTTP2     text            `json:"h2_akamai"`
	UserAgent text            `json:"user_agent"`
	Headers   json.RawMessage `json:"http_header_order"` // a list, or a list of lists
}

// A text is a field that has one value, or a list with a value for each connection, of
// which the first that is not empty counts.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list {
		switch v := v.(type) {
		case nil:
		case string:
			*t = text(v)
		case float64:
			*t = text(fmt.Sprint(v))
		default:
			return fmt.Errorf("a text is %s", b)
		}
		if *t != "" {
			break
		}
	}
	return nil
}

// request returns what the client of a capture says in its HTTP request.
func (m *manifestLine) request() known.Request {
	r := known.Request{UserAgent: string(m.UserAgent)}
	var names []string
	var requests [][]string
	if json.Unmarshal(m.Headers, &names) != nil && json.Unmarshal(m.Headers, &requests) == nil && len(requests) > 0 {
		names = requests[0]
	}
	r.Headers = strings.Join(names, ",")
	return r
}
