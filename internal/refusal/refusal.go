// Package refusal answers requests that are refused before their body is read.
package refusal

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// lingerTime is how long the rest of a body is read once the answer is sent: a client that
// still sends when its connection is closed may lose the answer.
const lingerTime = 2 * time.Second

// Write answers r with a line of plain text, as [http.Error] does. Over HTTP/1 the client
// has the answer at once if the body of r is not read, and the connection is closed soon
// after: net/http would wait for the body first.
func Write(w http.ResponseWriter, r *http.Request, status int, text string) {
	if r.ProtoMajor != 1 || r.ContentLength == 0 {
		http.Error(w, text, status)
		return
	}
	c := http.NewResponseController(w)
	_ = c.EnableFullDuplex()
	bounded := c.SetReadDeadline(time.Now().Add(lingerTime)) == nil
	h := w.Header()
	h.Set("Connection", "close")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(text)+1)) // so that it ends before the handler does
	w.WriteHeader(status)
	_, err := io.WriteString(w, text+"\n")
	if err == nil && bounded && c.Flush() == nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close() // or the server waits for the rest once more
	}
}
