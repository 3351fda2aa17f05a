package answers

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// MaxDetail is how many bytes of a message an answer takes apart. A field of two
// bytes takes 300 in it; browsers send 2,000.
const MaxDetail = 16 << 10

// Event returns the Event of o, which also names user-supplied clients if they
// are not nil. The detail of a message over MaxDetail has the tree of its
// beginning, and all of its bytes.
func Event(o *event.Observation, clients *known.Database, size event.Size) event.Event {
	ob := event.Observer{Clients: clients}
	if size != event.Detail || o.Hello == nil || len(o.Hello.Raw) <= MaxDetail {
		return ob.Event(o, size)
	}
	e := ob.Event(o, event.Full)
	root := Dissect(o.Hello)
	e.Hello, e.Raw = &root, o.Hello.Raw
	return e
}

// Dissect returns the tree of h; of a message over MaxDetail that of its
// beginning, with a note.
func Dissect(h *parser.ClientHello) parser.Field {
	if len(h.Raw) <= MaxDetail {
		return parser.Dissect(h)
	}
	root := parser.Dissect(&parser.ClientHello{Transport: h.Transport, Raw: h.Raw[:MaxDetail]})
	clearCut(&root)
	root.Note = fmt.Sprintf("only the first %d of %d bytes are taken apart", MaxDetail, len(h.Raw))
	return root
}

// clearCut removes the notes that the cut has caused from the fields that it
// goes through.
func clearCut(f *parser.Field) {
	wrong := fmt.Sprintf("truncated at byte %d", MaxDetail)
	for {
		if strings.HasSuffix(f.Note, wrong) {
			f.Note = ""
			if f.Name == "undecoded" {
				f.Name = "cut"
			}
		}
		if len(f.Children) == 0 {
			return
		}
		f = &f.Children[len(f.Children)-1]
	}
}

// Observe returns what is known of the client of r, with what r says of it, and
// the names of its header fields in the order sent, if that is known. It returns
// false where nothing is known of the connection.
func Observe(r *http.Request) (o event.Observation, fields []string, ok bool) {
	c := server.ClientOf(r.Context())
	if c == nil {
		return o, nil, false
	}
	if o, ok = c.Observation(); !ok {
		return o, nil, false
	}
	if o.Request.Headers != "" {
		fields = strings.Split(o.Request.Headers, ",")
	}
	o.Request = server.RequestOf(r)
	return o, fields, true
}
