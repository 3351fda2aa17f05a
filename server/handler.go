package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// Handler answers each client with what its own connection's hello was, and
// browsers with page if that is not nil. It finds the connection by the
// request's context: see [ConnContext] and [HTTP3].
//
// At most 64 answers are under way at once, and 16 of one connection. Others
// wait for these, and are told to come back if that takes long.
func Handler(page *Page) http.Handler { return handler(page, new(answers)) }

func handler(page *Page, a *answers) http.Handler {
	mux := http.NewServeMux()
	event := crossOrigin(http.MethodGet, a.limit(answerEvent))
	if page != nil {
		page.answers = a
		page.Register(mux, event)
	} else {
		mux.HandleFunc("GET /{$}", event)
	}
	mux.HandleFunc("OPTIONS /{$}", event)
	mux.HandleFunc("/json", event)
	mux.HandleFunc("/hello.bin", crossOrigin(http.MethodGet, a.limit(answerMessage)))
	mux.HandleFunc("/api/all", crossOrigin("", a.limit(answer(func(q *request) any { return peetAll(q) }))))
	mux.HandleFunc("/api/clean", crossOrigin("", a.limit(answer(func(q *request) any { return peetClean(q) }))))
	mux.HandleFunc("/api/browserleaks", crossOrigin("", a.limit(answer(func(q *request) any { return browserleaks(q) }))))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=86400")
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// crossOrigin lets scripts of every site read the answers of next. Method is
// the one that it answers, HEAD aside, or empty for all.
func crossOrigin(method string, next http.HandlerFunc) http.HandlerFunc {
	allow := "GET, HEAD, OPTIONS"
	if method == "" {
		allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		switch {
		case r.Method == http.MethodOptions:
			h.Set("Allow", allow)
			h.Set("Access-Control-Allow-Methods", allow)
			h.Set("Access-Control-Allow-Headers", "*")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
		case method != "" && r.Method != method && r.Method != http.MethodHead:
			h.Set("Allow", allow)
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			next(w, r)
		}
	}
}

// A request is one with what is known of its connection.
type request struct {
	*http.Request
	event event.Event
	hello *parser.ClientHello // nil if there is none
	names []string            // of its header fields in order, if that is known
}

// requestOf returns false where the connection is unknown.
func requestOf(r *http.Request, size event.Size) (*request, bool) {
	s := sourceOf(r.Context())
	if s == nil {
		return nil, false
	}
	o, ok := s.observed(new(parser.ClientHello))
	if !ok {
		return nil, false
	}
	q := &request{Request: r, hello: o.Hello}
	if o.Agent.Headers != "" {
		q.names = strings.Split(o.Agent.Headers, ",")
	}
	names := o.Agent.Headers
	if o.Agent = AgentOf(r); o.Agent != (known.Request{}) {
		o.Agent.Headers = names
	}
	q.event = eventOf(&o, s.users(), size)
	return q, true
}

// requestEvent returns the Event of a request's connection.
func requestEvent(r *http.Request, size event.Size) (event.Event, bool) {
	q, ok := requestOf(r, size)
	if !ok {
		return event.Event{}, false
	}
	return q.event, true
}

const unknownConnection = "no hello is known of this connection"

func answerEvent(w http.ResponseWriter, r *http.Request) {
	size := event.Full
	if r.URL.Query().Get("detail") == "1" {
		size = event.Detail
	}
	e, ok := requestEvent(r, size)
	if !ok {
		http.Error(w, unknownConnection, http.StatusInternalServerError)
		return
	}
	body, err := e.AppendJSON(nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	writeBody(w, append(body, '\n'))
}

// answerMessage answers with the bytes of the handshake message.
func answerMessage(w http.ResponseWriter, r *http.Request) {
	q, ok := requestOf(r, event.Compact)
	if !ok || q.hello == nil {
		http.Error(w, unknownConnection, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="hello.bin"`)
	writeBody(w, q.hello.Raw)
}

// answer answers with the shape that somebody else has for it.
func answer(shape func(*request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, ok := requestOf(r, event.Full)
		if !ok {
			http.Error(w, unknownConnection, http.StatusInternalServerError)
			return
		}
		var body bytes.Buffer
		e := json.NewEncoder(&body)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(shape(q)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		writeBody(w, body.Bytes())
	}
}
