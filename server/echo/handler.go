package echo

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// A Handler answers each client with what its own connection's hello was. It
// finds the connection by the request's context: see [server.ConnContext] and
// [server.HTTP3].
//
// At most 64 answers are under way at once, and 16 for one client. Others wait
// for these, and are answered 503 after 15 seconds.
//
// The zero value is ready. The fields must not be changed once it serves.
type Handler struct {
	// Page, if not nil, is what browsers get.
	Page Page

	// NextLine, if not nil, is called before each line is answered, with the context
	// of its connection. It may wait. An error ends the connection.
	NextLine func(ctx context.Context) error

	limiter answers.Limiter
	once    sync.Once
	mux     *http.ServeMux
}

// A Page is what browsers get: at / instead of JSON, and at the paths that it
// registers.
type Page interface {
	http.Handler
	Register(mux *http.ServeMux)
}

// Enter counts an answer that is made elsewhere, such as on the page, among
// those under way. It waits until there may be one more, and returns false if
// that takes too long. The answer counts until leave is called.
func (h *Handler) Enter(ctx context.Context) (leave func(), ok bool) { return h.limiter.Enter(ctx) }

// ServeHTTP answers at /, /json, /hello.bin, /api/all, /api/clean and
// /api/browserleaks, and at the paths of the page.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.once.Do(h.register)
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) register() {
	h.mux = http.NewServeMux()
	event := crossOrigin(http.MethodGet, h.limiter.Limit(h.answerEvent))
	root := event
	if h.Page != nil {
		root = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Accept")
			if acceptsHTML(r) {
				h.Page.ServeHTTP(w, r)
				return
			}
			event(w, r)
		}
		h.Page.Register(h.mux)
	}
	h.mux.HandleFunc("GET /{$}", root)
	h.mux.HandleFunc("OPTIONS /{$}", event)
	h.mux.HandleFunc("/json", event)
	h.mux.HandleFunc("/hello.bin", crossOrigin(http.MethodGet, h.limiter.Limit(h.answerMessage)))
	for path, shape := range map[string]func(*request) any{
		"/api/all":          func(q *request) any { return peetAll(q) },
		"/api/clean":        func(q *request) any { return peetClean(q) },
		"/api/browserleaks": func(q *request) any { return browserleaks(q) },
	} {
		h.mux.HandleFunc(path, crossOrigin("", h.limiter.Limit(h.answerShape(shape))))
	}
	h.mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=86400")
		w.WriteHeader(http.StatusNoContent)
	})
}

// acceptsHTML reports whether r is the request of a browser, and not of a
// program that wants JSON.
func acceptsHTML(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/html")
}

// crossOrigin lets scripts of every site read the answers of next. Method is
// the one that next answers besides HEAD, or empty for all.
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

// A request is an http.Request with what is known of its connection.
type request struct {
	*http.Request
	event  event.Event         // full
	hello  *parser.ClientHello // nil if there is none
	fields []string            // names of the header fields in order, nil if unknown
}

// requestOf returns false where nothing is known of the connection.
func requestOf(r *http.Request) (*request, bool) {
	e, ok := server.EventOf(r, event.Full)
	if !ok {
		return nil, false
	}
	o, _ := server.ClientOf(r.Context()).Observation()
	q := &request{r, e, o.Hello, nil}
	if o.Request.Headers != "" {
		q.fields = strings.Split(o.Request.Headers, ",")
	}
	return q, true
}

const unknownConnection = "no hello is known of this connection"

func (h *Handler) answerEvent(w http.ResponseWriter, r *http.Request) {
	size := event.Full
	if r.URL.Query().Get("detail") == "1" {
		size = event.Detail
	}
	e, ok := answers.EventOf(r, size)
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
	answers.WriteBody(w, append(body, '\n'))
}

// answerMessage answers with the bytes of the handshake message.
func (h *Handler) answerMessage(w http.ResponseWriter, r *http.Request) {
	var o event.Observation
	if c := server.ClientOf(r.Context()); c != nil {
		o, _ = c.Observation()
	}
	if o.Hello == nil {
		http.Error(w, unknownConnection, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="hello.bin"`)
	answers.WriteBody(w, o.Hello.Raw)
}

// answerShape answers in the form of another endpoint.
func (h *Handler) answerShape(shape func(*request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, ok := requestOf(r)
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
		answers.WriteBody(w, body.Bytes())
	}
}
