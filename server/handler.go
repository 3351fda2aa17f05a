package server

import (
	"net/http"

	"github.com/tlspeek/tlspeek/event"
)

// handler answers a client with the Event of its own connection.
func handler(page *Page) http.Handler {
	mux := http.NewServeMux()
	if page != nil {
		page.Register(mux, answerEvent)
	} else {
		mux.HandleFunc("GET /{$}", answerEvent)
	}
	mux.HandleFunc("GET /json", answerEvent)
	return mux
}

func answerEvent(w http.ResponseWriter, r *http.Request) {
	size := event.Full
	if r.URL.Query().Get("detail") == "1" {
		size = event.Detail
	}
	e, ok := eventOf(r, size)
	if !ok {
		http.Error(w, "no hello is known of this connection", http.StatusInternalServerError)
		return
	}
	body, err := e.AppendJSON(nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(append(body, '\n'))
}

// eventOf returns the Event of the connection that r came on.
func eventOf(r *http.Request, size event.Size) (event.Event, bool) {
	if c := sourceOf(r.Context()); c != nil {
		return c.Event(size)
	}
	return event.Event{}, false
}
