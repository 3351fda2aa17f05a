package proxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/tlspeek/tlspeek/server"
)

const (
	defaultConnectTimeout = 5 * time.Second
	defaultAnswerTimeout  = time.Minute
	defaultStallTimeout   = 2 * time.Minute
)

// A Reverse is an http.Handler that passes requests on to backends, and their answers to
// the clients. Its fields must not be changed once it has served.
//
// The backend gets the request as the client has sent it, but for the fields of a
// connection and those with which proxies speak of clients: these are removed from
// requests and their trailers, in every spelling that CGI takes for the same. Reverse then
// sets X-Forwarded-For, -Host and -Proto, Forwarded, and what Headers says.
//
// Only WebSockets over HTTP/1.1 are upgraded. CONNECT and TRACE are refused.
type Reverse struct {
	// Routes say where requests go. One without Host and Path is for all the rest; a
	// request without a route is answered with 404. Of two with the same Host and Path
	// the first counts.
	Routes []Route

	// Headers says what backends get to know of the client's TLS.
	Headers server.Headers

	// TLS is the configuration for https backends. It may be nil.
	TLS *tls.Config

	// RewriteHost sends the host of the backend's URL in the Host field, and not that of
	// the request.
	RewriteHost bool

	// ConnectTimeout is how long a backend may take to accept a connection, and again for
	// the handshake of TLS. 0 is 5 seconds. AnswerTimeout is the time from the end of the
	// request to the header of the answer; 0 is a minute. After StallTimeout without a byte
	// of a body, whether of the request or of the answer, both ends are given up; 0 is two
	// minutes. That is so for streams and WebSockets, too. Negative is no limit.
	//
	// A [server.Server] in front should have no BodyTimeout of its own, which ends long
	// uploads.
	ConnectTimeout, AnswerTimeout, StallTimeout time.Duration

	// Log gets failures of backends as warnings, and those of clients at debug level. Nil
	// discards them.
	Log *slog.Logger

	// Failed, if not nil, is called for each request that is not answered by its backend
	// in full, with its route as [Route.String] has it. Several goroutines call it at once.
	Failed func(route string, kind FailKind)

	once    sync.Once
	routes  routeTable
	ups     map[string]*upstream // by the URL of their backend
	proxy   httputil.ReverseProxy
	handler http.Handler // serve, behind Headers
	log     *slog.Logger
	began   time.Time
	tunnels tunnels
	watch   watcher
	watched atomic.Pointer[http.Server] // the server of the latest request

	connect, answer, stall time.Duration
}

func (p *Reverse) init() {
	orDefault := func(d, standard time.Duration) time.Duration {
		if d == 0 {
			return standard
		}
		return d
	}
	p.connect = orDefault(p.ConnectTimeout, defaultConnectTimeout)
	p.answer = orDefault(p.AnswerTimeout, defaultAnswerTimeout)
	p.stall = orDefault(p.StallTimeout, defaultStallTimeout)
	p.began = time.Now()
	p.watch.period = p.watchPeriod()
	if p.log = p.Log; p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.ups = make(map[string]*upstream)
	p.routes = routeTable{exact: make(map[string][]*target), below: make(map[string][]*target)}
	for _, r := range p.Routes {
		up := p.ups[r.Backend.text]
		if up == nil {
			up = newUpstream(r.Backend, p)
			p.ups[r.Backend.text] = up
		}
		p.routes.add(&target{r, r.String(), up})
	}
	p.proxy = httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      roundTripper{},
		BufferPool:     new(buffers),
		ModifyResponse: modifyResponse,
		ErrorHandler:   serveError,
		ErrorLog:       slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	headers := p.Headers
	headers.Drop = append(slices.Clip(headers.Drop), standardFields...)
	p.handler = headers.Wrap(http.HandlerFunc(p.serve))
}

// CloseIdleConnections closes the connections to backends that no request uses.
func (p *Reverse) CloseIdleConnections() {
	p.once.Do(p.init)
	for _, up := range p.ups {
		up.closeIdle()
	}
}

// ServeHTTP answers r with what its backend answers.
func (p *Reverse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.once.Do(p.init)
	p.handler.ServeHTTP(w, r)
}

func (p *Reverse) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions && r.RequestURI == "*" {
		w.Header().Set("Content-Length", "0")
		return
	}
	if status, why := check(r); status != 0 {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
		refuseRequest(w, r, status, why)
		return
	}
	to, ok := p.routes.resolve(routeHost(r.Host), r.URL.Path)
	switch {
	case !ok:
		refuseRequest(w, r, http.StatusBadRequest, "the path can be read in several ways")
		return
	case to == nil:
		refuseRequest(w, r, http.StatusNotFound, "nothing is served here")
		return
	}
	if r.ProtoMajor == 1 { // with which WebSockets begin
		if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && p.watched.Load() != srv {
			p.tunnels.watch(srv)
			p.watched.Store(srv)
		}
	}
	p.pass(w, r, to)
}

// check returns how a request is refused that no backend should see, or 0.
func check(r *http.Request) (status int, why string) {
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return http.StatusNotImplemented, "the method " + r.Method + " is not passed on"
	case !httpguts.ValidHeaderFieldName(r.Method): // it is a token, too
		return http.StatusBadRequest, "no valid method"
	case r.Host == "" && r.ProtoAtLeast(1, 1), r.Host != "" && !validHost(r.Host):
		return http.StatusBadRequest, "no valid host"
	case r.URL.Opaque != "", r.URL.Scheme != "" && r.URL.Scheme != "http" && r.URL.Scheme != "https", r.URL.Path != "" && r.URL.Path[0] != '/', r.URL.Path == "" && r.URL.Host == "":
		return http.StatusBadRequest, "no valid path"
	}
	return 0, ""
}

// pass passes r on.
func (p *Reverse) pass(w http.ResponseWriter, r *http.Request, to *target) {
	ctx, cancel := context.WithCancelCause(r.Context())
	x := &exchange{Context: ctx, cancel: cancel, p: p, to: to, in: r, w: w, outer: outerFields(w.Header()), websocket: wantsWebSocket(r)}
	defer x.end()
	noteRoute(w, to.name)
	if !x.websocket && len(r.Header["Upgrade"]) > 0 {
		// What a backend would upgrade to, such as h2c, is not what this proxy reads then.
		delete(r.Header, "Upgrade")
	}
	x.enter(waiting)
	out := r.WithContext(x)
	if r.ContentLength != 0 {
		if r.ProtoMajor == 1 {
			// A backend may answer before it has read the body. A writer that cannot do so
			// reads it first.
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
		x.body.ReadCloser, x.body.x = r.Body, x
		out.Body = &x.body
		x.enter(sending)
	}
	p.proxy.ServeHTTP(x, out)
	if x.broken { // ReverseProxy aborts only what net/http serves
		panic(http.ErrAbortHandler)
	}
}

// rewrite makes the request to the backend.
func (p *Reverse) rewrite(pr *httputil.ProxyRequest) {
	in, out := pr.In, pr.Out
	x := in.Context().(*exchange)
	b := x.to.Backend
	out.URL.RawQuery = in.URL.RawQuery // without what ReverseProxy cannot parse, it would be another
	b.rewrite(out.URL)
	if p.RewriteHost {
		out.Host = ""
	}
	removeForged(out.Header)
	if out.Body != nil && out.Body != http.NoBody {
		x.held = heldBody{out.Body, &x.stale}
		out.Body = &x.held
	}
	if x.websocket {
		out.Header["Connection"] = []string{"Upgrade"} // as removed
	}
	if cookies := out.Header["Cookie"]; len(cookies) > 1 && in.ProtoMajor >= 2 {
		out.Header["Cookie"] = []string{strings.Join(cookies, "; ")} // RFC 9113, section 8.2.3
	}
	if len(in.Trailer) > 0 {
		removeForgedTrailers(in.Trailer)
		out.Trailer = in.Trailer // whose values come with the end of the body
		if !b.h2c && len(out.Trailer) > 0 {
			out.ContentLength = -1 // HTTP/1.1 has trailers only after chunks
		}
	}
	x.values.set(out.Header, in)
}

// modifyResponse readies the answer of a backend for the client.
func modifyResponse(res *http.Response) error {
	x := res.Request.Context().Value(exchangeKey{}).(*exchange)
	x.enter(answering)
	delete(res.Header, "Alt-Svc") // it speaks of ports of the backend
	if res.StatusCode == http.StatusSwitchingProtocols {
		if !x.websocket || !gotWebSocket(res) {
			return errSwitch
		}
		removeHopByHop(res.Header) // ReverseProxy leaves those of this answer
		res.Header["Connection"], res.Header["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
		return nil
	}
	if res.StatusCode < 200 || res.StatusCode > 999 { // net/http reads it, and has no way to send it
		return errStatus
	}
	removeInvalidTrailers(res.Trailer) // those that are announced
	if x.in.ProtoMajor == 3 {          // quic-go sends what it is given
		removeInvalid(res.Header)
	}
	switch {
	case res.StatusCode == http.StatusNoContent, res.StatusCode == http.StatusNotModified: // net/http removes it, quic-go's clients wait for a body
		delete(res.Header, "Content-Length")
	case len(res.Trailer) > 0 && x.in.ProtoMajor == 1: // HTTP/1.1 has trailers only after chunks
		delete(res.Header, "Content-Length")
	}
	if res.Body != http.NoBody {
		x.answer = answerBody{ReadCloser: res.Body, x: x, res: res, left: res.ContentLength}
		if isEvents(res.Header.Get("Content-Type")) { // which ReverseProxy flushes
			x.answer.left = -1
		}
		res.Body = &x.answer
	}
	return nil
}

// isEvents reports whether a Content-Type is that of server-sent events.
func isEvents(contentType string) bool {
	const events = "text/event-stream"
	contentType = strings.TrimLeft(contentType, " \t")
	return len(contentType) >= len(events) && strings.EqualFold(contentType[:len(events)], events)
}
