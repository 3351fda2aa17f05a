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

// EventOf returns the Event of the client of r, with what r says of it. The detail of
// a long message is as [Event] says. It returns false where nothing is known of the
// connection.
func EventOf(r *http.Request, size event.Size) (event.Event, bool) {
	e, ok := server.EventOf(r, min(size, event.Full))
	if ok && size == event.Detail {
		addDetail(&e, server.ClientOf(r.Context()))
	}
	return e, ok
}

// EventOfClient returns the Event of c, as EventOf does.
func EventOfClient(c server.Client, size event.Size) (event.Event, bool) {
	e, ok := c.Event(min(size, event.Full))
	if ok && size == event.Detail {
		addDetail(&e, c)
	}
	return e, ok
}

// addDetail makes e, which is full, one with detail.
func addDetail(e *event.Event, c server.Client) {
	if o, _ := c.Observation(); o.Hello != nil {
		root := Dissect(o.Hello)
		e.Hello, e.Raw = &root, o.Hello.Raw
	}
}
