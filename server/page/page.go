package page

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/server"
)

//go:embed web
var webFiles embed.FS

// A Page shows a client its own hello, byte by byte, in a browser, and compares
// hellos. The server makes all of it: the script only adds to it, and the browser
// loads nothing from another host.
//
// The zero value is ready. The fields must not be changed once it serves.
type Page struct {
	// Read finds the hellos in what a reader pasted or dropped: hex, base64,
	// records, a capture. It is called by the goroutine of the request, once at a time
	// for one client; ctx is done after five seconds. An Observation with an
	// Err may have a Hello, decoded up to the error. If Read is nil,
	// only known clients and permalinks can be compared.
	Read func(ctx context.Context, input []byte) ([]event.Observation, error)

	// Live, if not nil, is shown at /live.
	Live *Live

	// Clients has user-supplied clients, by which the page names hellos beside
	// the built-in ones. It may be nil.
	Clients *known.Database

	budgets answers.Budgets // used where an echo.Handler does not share its own

	// event, if not nil, replaces eventOf in tests.
	event func(*http.Request, event.Size) (event.Event, bool)

	once      sync.Once
	err       error // of what follows
	templates *template.Template
	index     *clientIndex
	version   string // of the style sheet and the script
	static    map[string]staticFile
}

// securityPolicy lets the page load its own style sheet and script, and nothing
// else from anywhere.
const securityPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Register adds /compare, /static and, with Live, /live to mux. ServeHTTP is for
// the path of the page itself.
func (p *Page) Register(mux *http.ServeMux) {
	if p.Live != nil {
		mux.HandleFunc("GET /live", p.live)
		mux.HandleFunc("GET /live/events", p.liveEvents)
	}
	mux.HandleFunc("GET /compare", p.compare)
	mux.HandleFunc("POST /compare", p.compareForm)
	mux.HandleFunc("GET /static/{name}", p.serveStatic)
}

// ServeHTTP shows the hello of the connection that the request came on, which
// [server.ClientOf] must find.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.ready(w) {
		return
	}
	a, ok := p.begin(w, r, answers.PageCost(helloSize(r)))
	if !ok {
		return
	}
	defer a.End()
	e, ok := p.eventOf(r)
	if !ok {
		p.fail(w, r, http.StatusInternalServerError, "No hello is known of this connection.")
		return
	}
	hello := p.newView(&e)
	hello.mine, hello.state = true, r.TLS
	if c := server.ClientOf(r.Context()); c != nil {
		hello.times = c.Times()
	}
	v := p.newPageView("Your ClientHello", "/")
	v.Compare = &compareView{Clients: p.index.groups, With: "mine"}
	v.Hello = newHelloData(hello)
	p.show(w, r, a, http.StatusOK, "page.html", v)
}

// begin waits until there may be one more answer. If that takes too long it
// answers 503 and returns false.
func (p *Page) begin(w http.ResponseWriter, r *http.Request, c answers.Cost) (*answers.Answer, bool) {
	a, ok := p.budgetsOf(r).Begin(r.Context(), answers.ClientOf(r), c)
	if !ok {
		p.refuse(w, r, busy)
	}
	return a, ok
}

const busy = "There are " + answers.Busy + "."

// refuse answers 503, because the client or all clients have too much under way.
func (p *Page) refuse(w http.ResponseWriter, r *http.Request, message string) {
	p.budgetsOf(r).Refuse(w, r, func() { p.fail(w, r, http.StatusServiceUnavailable, message) })
}

func (p *Page) budgetsOf(r *http.Request) *answers.Budgets {
	return answers.BudgetsOf(r.Context(), &p.budgets)
}

// helloSize returns the length of the hello of r's client, or 0 if it is not known.
func helloSize(r *http.Request) int {
	if c := server.ClientOf(r.Context()); c != nil {
		return c.HelloSize()
	}
	return 0
}

func (p *Page) eventOf(r *http.Request) (event.Event, bool) {
	if p.event != nil {
		return p.event(r, event.Detail)
	}
	return answers.EventOf(r, event.Detail)
}

// ready loads what the page is made of, and reports whether that worked. If not,
// it answers 500.
func (p *Page) ready(w http.ResponseWriter) bool {
	p.once.Do(func() { p.err = p.load() })
	if p.err != nil {
		http.Error(w, p.err.Error(), http.StatusInternalServerError)
	}
	return p.err == nil
}

func (p *Page) load() (err error) {
	if p.index, err = loadClients(); err != nil {
		return fmt.Errorf("reading the known clients: %w", err)
	}
	if p.templates, err = template.New("").Funcs(templateFuncs).ParseFS(webFiles, "web/*.html"); err != nil {
		return err
	}
	if _, err = p.templates.New("sections").Parse(sectionTemplate()); err != nil {
		return err
	}
	p.static, p.version, err = loadStatic()
	return err
}

// A pageView is what the templates of whole pages show.
type pageView struct {
	Title   string
	Path    string // of the page, for the navigation
	Version string // of the static files
	Live    bool   // whether there is a live view

	Hello   *helloData
	Compare *compareView
	Watch   *liveView
	Message string
}

func (p *Page) newPageView(title, path string) *pageView {
	return &pageView{Title: title, Path: path, Version: p.version, Live: p.Live != nil}
}

// show answers with a page, and says to a what it takes. It is nil for a short one.
func (p *Page) show(w http.ResponseWriter, r *http.Request, a *answers.Answer, status int, name string, v *pageView) {
	h := w.Header()
	body := newBody(h, r, a == nil)
	if err := p.templates.ExecuteTemplate(body, name, v); err != nil {
		h.Del("Content-Encoding")
		answers.WriteText(w, http.StatusInternalServerError, "making the page: "+err.Error())
		return
	}
	b := body.bytes()
	if a != nil {
		a.Rendered(cap(b))
	}
	setPageHeaders(h)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	answers.WriteBody(w, status, b)
}

func setPageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", securityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// fail answers with a page that shows an error.
func (p *Page) fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	v := p.newPageView("That did not work", "")
	v.Message = message
	p.show(w, r, nil, status, "error.html", v)
}

// templateFuncs are what the templates call.
var templateFuncs = template.FuncMap{
	"choice": choice, "bars": bars, "few": few, "breakable": breakable, "quicVersion": quicVersion, "frameType": frameType,
}

// breakable returns s with a place after each underscore where a line may break.
func breakable(s string) template.HTML {
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(s), "_", "_<wbr>"))
}

// A formChoice is a list of clients to choose from.
type formChoice struct {
	ID, Name, Chosen string
	None, Mine       string // texts of the choice of no client, and of the reader's own
	Groups           []clientGroup
}

func choice(id, name, chosen, none, mine string, groups []clientGroup) formChoice {
	return formChoice{id, name, chosen, none, mine, groups}
}
