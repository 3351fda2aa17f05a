package echo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
// What its answers cost is bounded, in all and for each client, by the IPv4 address or
// the IPv6 /64: the requests under way, the memory of answers until they are read, and
// those that take long to make. A client that holds its share waits for its own answers,
// and holds up nobody else. After 15 seconds it gets 503 with Retry-After.
//
// The zero value is ready. The fields must not be changed once it serves.
type Handler struct {
	// Page, if not nil, is what browsers get.
	Page Page

	// NextLine, if not nil, is called before each line is answered, with the context
	// of its connection. It may wait. An error ends the connection.
	NextLine func(ctx context.Context) error

	// MaxBytes is how much memory answers and uploads may have together, in bytes, until
	// they are read. 0 is 64 MiB. One client gets up to a third of it.
	MaxBytes int64

	// Refused, if not nil, is called for each request, line and watcher that is refused,
	// with what there was too little of, one of [Handler.Resources], and for whom: "client" if
	// the client holds its share already, and "all" if all clients together hold too
	// much. It is called by the goroutine of the request.
	Refused func(resource, cause string)

	budgets answers.Budgets
	once    sync.Once
	handler http.Handler
}

// A Resource is something that answers use up, of which there is a bounded amount.
type Resource struct {
	Name        string // such as "large_answers"
	Used, Total int64
}

// Resources returns what h has of each resource, and how much of it is used now.
func (h *Handler) Resources() []Resource {
	h.once.Do(h.register)
	var list []Resource
	for _, r := range answers.Resources {
		used, total := h.budgets.Used(r)
		list = append(list, Resource{string(r), used, total})
	}
	return list
}

// A Page is what browsers get: at / instead of JSON, and at the paths that it
// registers.
type Page interface {
	http.Handler
	Register(mux *http.ServeMux)
}

// ServeHTTP answers at /, /json, /hello.bin, /api/all, /api/clean and
// /api/browserleaks, and at the paths of the page.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.once.Do(h.register)
	h.handler.ServeHTTP(w, r)
}

func (h *Handler) register() {
	h.budgets.MaxBytes = h.MaxBytes
	if h.Refused != nil {
		h.budgets.Refused = func(r answers.Resource, cause string) { h.Refused(string(r), cause) }
	}
	mux := http.NewServeMux()
	h.handler = h.budgets.Limit(mux)
	event := crossOrigin(http.MethodGet, h.answerEvent)
	root := event
	if h.Page != nil {
		root = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Accept")
			if acceptsHTML(r) {
				h.Page.ServeHTTP(w, h.withBudgets(r))
				return
			}
			event(w, r)
		}
		pages := http.NewServeMux()
		h.Page.Register(pages)
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { pages.ServeHTTP(w, h.withBudgets(r)) })
	}
	mux.HandleFunc("GET /{$}", root)
	mux.HandleFunc("OPTIONS /{$}", event)
	mux.HandleFunc("/json", event)
	mux.HandleFunc("/hello.bin", crossOrigin(http.MethodGet, h.answerMessage))
	for path, shape := range map[string]func(*request) any{
		"/api/all":          func(q *request) any { return peetAll(q) },
		"/api/clean":        func(q *request) any { return peetClean(q) },
		"/api/browserleaks": func(q *request) any { return browserleaks(q) },
	} {
		mux.HandleFunc(path, crossOrigin("", h.answerShape(shape)))
	}
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=86400")
		w.WriteHeader(http.StatusNoContent)
	})
}

// withBudgets has the page share the budgets of h.
func (h *Handler) withBudgets(r *http.Request) *http.Request {
	return r.WithContext(answers.WithBudgets(r.Context(), &h.budgets))
}

// helloSize returns the length of the client's hello, or 0 if it is not known.
func helloSize(ctx context.Context) int {
	if c := server.ClientOf(ctx); c != nil {
		return c.HelloSize()
	}
	return 0
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

var errUnknownConnection = errors.New("no hello is known of this connection")

func (h *Handler) answerEvent(w http.ResponseWriter, r *http.Request) {
	size := event.Full
	if r.URL.Query().Get("detail") == "1" {
		size = event.Detail
	}
	w.Header().Set("Content-Type", "application/json")
	h.budgets.Serve(w, r, answers.EventCost(size, helloSize(r.Context())), func() ([]byte, error) {
		e, ok := answers.EventOf(r, size)
		if !ok {
			return nil, errUnknownConnection
		}
		body, err := e.AppendJSON(nil)
		return append(body, '\n'), err
	})
}

// answerMessage answers with the bytes of the handshake message.
func (h *Handler) answerMessage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	h.budgets.Serve(w, r, answers.MessageCost(helloSize(r.Context())), func() ([]byte, error) {
		var o event.Observation
		if c := server.ClientOf(r.Context()); c != nil {
			o, _ = c.Observation()
		}
		if o.Hello == nil {
			return nil, errUnknownConnection
		}
		w.Header().Set("Content-Disposition", `attachment; filename="hello.bin"`)
		return o.Hello.Raw, nil
	})
}

// answerShape answers in the form of another endpoint.
func (h *Handler) answerShape(shape func(*request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		h.budgets.Serve(w, r, answers.ShapeCost(helloSize(r.Context())), func() ([]byte, error) {
			q, ok := requestOf(r)
			if !ok {
				return nil, errUnknownConnection
			}
			var body bytes.Buffer
			e := json.NewEncoder(&body)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			err := e.Encode(shape(q))
			return body.Bytes(), err
		})
	}
}
