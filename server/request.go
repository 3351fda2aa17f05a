package server

import (
	"net/http"
	"strings"

	"github.com/mileusna/useragent"

	"github.com/tlspeek/tlspeek/known"
)

// maxHeaderText is how much of a header field is read, in bytes. Browsers send
// less than half of it.
const maxHeaderText = 512

// RequestOf returns what r says of its client, for [known.CheckClaim]: the
// User-Agent, the client hints, and the order of the header fields where
// [ConfigureHTTP2] has recorded it. It is zero if r has neither a User-Agent
// nor client hints. At most 512 bytes of each field count.
func RequestOf(r *http.Request) known.Request {
	header := headerText(r.UserAgent())
	q := known.Request{
		UserAgent:   header,
		OS:          useragent.Parse(header).OS,
		ClientHints: headerText(r.Header.Get("Sec-Ch-Ua")),
		Platform:    strings.Trim(headerText(r.Header.Get("Sec-Ch-Ua-Platform")), `"`),
	}
	if q == (known.Request{}) {
		return q
	}
	if c := clientOf(r.Context()); c != nil {
		q.Headers = c.headerOrder()
	}
	return q
}

// headerText bounds how much of a header field is read.
func headerText(s string) string { return s[:min(len(s), maxHeaderText)] }
