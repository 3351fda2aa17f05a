package main

import (
	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/filter"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/output"
)

// A printer prints the hellos of one file after the other. Each worker has one.
type printer struct {
	*scanOutput
	filter   *filter.Filter
	where    filter.Judge
	recent   *recentSignals  // nil where no expression asks agg
	observer event.Observer  // of what is printed
	trackers *known.Trackers // of the file at hand; nil where no tells are looked at
	selected int64           // hellos of the file at hand that pass the filter
	times    timeRange       // of the hellos of the file at hand, if the filter has times

	// judged is the Observer of the Events that filter and where are asked about, which
	// have no more than these need. Where printJudged is set, they have what is printed.
	judged      event.Observer
	judgedSize  event.Size
	judges      bool
	printJudged bool

	// Of the hello at hand. They are here so that a hello takes no memory.
	observation event.Observation
	event       event.Event
	tells       []known.Tell // with earlier hellos
}

func (o *scanOutput) printer(f *filter.Filter, w *filter.Where, recent *recentSignals) *printer {
	p := &printer{scanOutput: o, filter: f, where: filter.Judge{Where: w}}
	if recent.table != nil {
		p.recent = recent
	}
	p.observer = event.Observer{Clients: o.clients, SkipClients: !o.needsClients(), Memo: &o.memo}
	p.judged = event.Observer{Clients: o.clients, SkipClients: !f.NeedsClients() && !w.NeedsClients(), Memo: &o.memo}
	p.judgedSize, p.judges = w.Size(), f.NeedsEvent() || w.IsSet()
	switch {
	case p.judgedSize == o.options.Size && p.judged.SkipClients == p.observer.SkipClients:
		p.printJudged = true
	case o.top != "" || o.format.Tabular(): // which take from an Event only what they show
		p.printJudged = p.judgedSize >= o.options.Size && (p.observer.SkipClients || !p.judged.SkipClients)
	}
	return p
}

// newFile has the printer print another file. Each file has Trackers of its own, and
// its hellos come in the order of its packets, so that the tells are the same however
// many files are read at once.
func (p *printer) newFile() {
	p.selected, p.times = 0, timeRange{}
	if !p.observer.SkipClients || p.judges && !p.judged.SkipClients || p.recent != nil {
		p.trackers = &known.Trackers{MaxBytes: p.trackersBytes}
	}
}

// forgotten returns how many clients were forgotten in the file.
func (p *printer) forgotten() int64 {
	if p.trackers == nil {
		return 0
	}
	return p.trackers.Forgotten()
}

// print writes a hello of a file to w, or counts it, if it passes the filter.
func (p *printer) print(w *output.Writer, file string, h *capture.Hello) error {
	if max(p.options.Size, p.judgedSize) == event.Compact {
		h.Encapsulation = nil // a compact Event does not have it, and its text takes time to make
	}
	o, e := &p.observation, &p.event
	*o = h.Observation()
	o.File = file
	if p.trackers != nil && o.Err == nil { // before the filter, which must not change what is said of a hello
		p.tells = p.trackers.AppendTells(p.tells[:0], o.Src.Addr(), &known.Observation{Hello: o.Hello, Index: o.Index})
		o.Tells = p.tells
	}
	if p.recent != nil {
		p.recent.now = o.Time
		defer p.recent.add(o)
	}
	if !p.filter.Since.IsZero() || !p.filter.Until.IsZero() {
		p.times.add(o.Time, p.filter)
	}
	if !p.filter.MatchObservation(o) {
		return nil
	}
	if p.judges {
		p.judged.Fill(e, o, p.judgedSize)
		if !p.filter.MatchEvent(e) || !p.where.Match(e) {
			return nil
		}
	}
	p.selected++
	switch {
	case p.count:
		p.hellos.Add(1)
		return nil
	case p.judges && p.printJudged:
	case p.top == "" && p.unique == "" && p.signals.table == nil:
		return w.WriteObservation(&p.observer, o)
	default:
		p.observer.Fill(e, o, p.options.Size)
	}
	switch {
	case p.top != "":
		p.topTable.Add(e)
	case p.unique != "":
		return p.uniqueTable.Add(e)
	case p.signals.table != nil:
		p.signals.table.ObserveHello(e)
	default:
		return w.WriteEvent(e)
	}
	return nil
}
