package page

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/known"
)

// Bounds of the live view.
const (
	liveRows     = 100  // hellos
	liveCounted  = 1000 // texts that are counted
	liveTop      = 8    // bars of a chart
	liveText     = 120  // bytes of a name
	liveInterval = 500 * time.Millisecond
	liveTimeout  = 10 * time.Second // for a watcher to take an update
)

// A Live keeps the latest hellos and counts, for the page that shows hellos as
// they come. It keeps 100 rows and 1,000 names and JA4s, in memory only. The zero
// value is ready. It is safe for use by several goroutines at once.
type Live struct {
	// Addresses lets watchers ask for the addresses of clients.
	Addresses bool

	mu      sync.Mutex
	rows    [liveRows]liveRow
	total   int // hellos so far; the latest is at (total-1) % liveRows
	clients frequency
	ja4s    frequency
	stopped chan struct{}
}

// A liveRow is a hello in the live view.
type liveRow struct {
	Time      time.Time `json:"time"`
	Address   string    `json:"address,omitempty"`
	Transport string    `json:"transport"`
	SNI       string    `json:"sni"`
	Client    string    `json:"client"`
	JA4       string    `json:"ja4"`
	Session   string    `json:"session"`
}

// A liveUpdate is what has come since the last one.
type liveUpdate struct {
	Total   int       `json:"total"`
	Missed  int       `json:"missed"` // those that Rows lacks
	Rows    []liveRow `json:"rows"`   // oldest first
	Clients []count   `json:"clients"`
	JA4s    []count   `json:"ja4s"`
}

// Add adds the Event of a hello. It ignores one without a hello.
func (l *Live) Add(e *event.Event) {
	if e.Error != "" && e.SSLv2 == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	row := liveRow{Time: e.Time, Transport: e.Transport, JA4: e.JA4(), Session: e.Session, Client: known.Unknown}
	if e.SrcIP.IsValid() {
		row.Address = e.SrcIP.String()
	}
	if e.SNI != nil {
		row.SNI = truncate(*e.SNI, liveText)
	}
	client := known.Unknown // which is counted: without the version, of which one client has many
	if best := known.Best(e.Client); best != nil {
		client = truncate(best.Name, liveText)
		row.Client = client
		if best.Distance == 0 {
			row.Client = truncate(nameAndVersion(best), liveText)
		}
	}
	l.rows[l.total%liveRows] = row
	l.total++
	l.clients.add(client)
	l.ja4s.add(cmp.Or(row.JA4, "none"))
}

// since returns what has come after the first seen hellos.
func (l *Live) since(seen int, addresses bool) liveUpdate {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := liveUpdate{Total: l.total, Clients: l.clients.top(), JA4s: l.ja4s.top()}
	first := max(seen, l.total-liveRows)
	u.Missed = first - seen
	for i := first; i < l.total; i++ {
		row := l.rows[i%liveRows]
		if !addresses || !l.Addresses {
			row.Address = ""
		}
		u.Rows = append(u.Rows, row)
	}
	return u
}

// Stop ends the streams of all watchers, which would otherwise keep a server from
// shutting down. New ones end at once.
func (l *Live) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.stop():
	default:
		close(l.stopped)
	}
}

// stop is called with mu held.
func (l *Live) stop() chan struct{} {
	if l.stopped == nil {
		l.stopped = make(chan struct{})
	}
	return l.stopped
}

// watch returns a channel that is closed by Stop.
func (l *Live) watch() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stop()
}

// A frequency counts texts. It finds the frequent ones of a stream of any length
// in bounded memory: a new text replaces the rarest, and continues its count
// (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k
// elements in data streams", 2005).
type frequency struct{ counts map[string]int }

// A count is a text and how often it came.
type count struct {
	Text  string `json:"text"`
	Count int    `json:"count"`
}

func (t *frequency) add(text string) {
	if t.counts == nil {
		t.counts = make(map[string]int)
	}
	n, ok := t.counts[text]
	if !ok && len(t.counts) == liveCounted {
		var rarest string
		n = -1
		for s, k := range t.counts {
			if n < 0 || k < n {
				rarest, n = s, k
			}
		}
		delete(t.counts, rarest)
	}
	t.counts[text] = n + 1
}

// top returns the most frequent texts.
func (t *frequency) top() []count {
	list := make([]count, 0, len(t.counts))
	for s, n := range t.counts {
		list = append(list, count{s, n})
	}
	slices.SortFunc(list, func(a, b count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	return list[:min(len(list), liveTop)]
}

// A liveView is what the live page shows when it is loaded.
type liveView struct {
	liveUpdate
	MayAsk    bool // whether the watcher may ask for addresses
	Addresses bool // whether it has
}

// A chart is a list of counts with bars.
type chart struct {
	ID   string
	Bars []chartBar
}

// bars returns a chart of list, whose longest bar is the first.
func bars(id string, list []count) chart {
	c := chart{ID: id}
	for _, n := range list {
		c.Bars = append(c.Bars, chartBar{n, max(1, n.Count*100/list[0].Count)})
	}
	return c
}

// A chartBar is a count with the length of its bar in percent.
type chartBar struct {
	count
	Percent int
}

func (p *Page) live(w http.ResponseWriter, r *http.Request) {
	if !p.ready(w) {
		return
	}
	a, ok := p.begin(w, r, answers.PageCost(0))
	if !ok {
		return
	}
	defer a.End()
	v := p.newPageView("Live", "/live")
	asked := p.Live.Addresses && r.URL.Query().Get("addresses") == "1"
	v.Watch = &liveView{p.Live.since(0, asked), p.Live.Addresses, asked}
	v.Watch.Missed = 0
	slices.Reverse(v.Watch.Rows)
	p.show(w, r, a, http.StatusOK, "live.html", v)
}

// liveEvents sends updates as server-sent events.
func (p *Page) liveEvents(w http.ResponseWriter, r *http.Request) {
	b := p.budgetsOf(r)
	leave, ok := b.TryEnter(answers.ClientOf(r), answers.Watchers)
	if !ok {
		b.Refuse(w, r, func() {
			answers.WriteText(w, http.StatusServiceUnavailable, "too many watch already: try again later")
		})
		return
	}
	defer leave()
	stopped := p.Live.watch()
	h := w.Header()
	setPageHeaders(h)
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	asked := r.URL.Query().Get("addresses") == "1"
	seen := p.Live.since(0, false).Total
	// A browser that reconnects says how far it got.
	from := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("seen"))
	if n, err := strconv.Atoi(from); err == nil && n >= 0 && n < seen {
		seen = n
	}
	if !send(w, ": tlspeek\nretry: 5000\n\n") {
		return
	}
	ticker := time.NewTicker(liveInterval)
	defer ticker.Stop()
	for idle := 0; ; idle++ {
		select {
		case <-r.Context().Done():
			return
		case <-stopped:
			return
		case <-ticker.C:
		}
		u := p.Live.since(seen, asked)
		if u.Total == seen {
			if idle%30 == 29 && !send(w, ": still here\n\n") {
				return
			}
			continue
		}
		seen = u.Total
		b, err := json.Marshal(u)
		if err != nil || !send(w, fmt.Sprintf("id: %d\ndata: %s\n\n", seen, b)) {
			return
		}
	}
}

// send writes an event to a watcher, and reports whether that worked.
func send(w http.ResponseWriter, text string) bool {
	c := http.NewResponseController(w)
	// A connection without deadlines is bounded by its transport.
	_ = c.SetWriteDeadline(time.Now().Add(liveTimeout))
	_, err := w.Write([]byte(text))
	if err != nil || c.Flush() != nil {
		return false
	}
	// HTTP/2 resets a stream when its deadline passes, even if it is idle.
	_ = c.SetWriteDeadline(time.Time{})
	return true
}
