package server

import (
	"net/http"
	"strings"

	"github.com/mileusna/useragent"

	"github.com/tlspeek/tlspeek/known"
)

// maxAgent is how much of a header is read, in bytes. Browsers send less than
// half of it.
const maxAgent = 512

// AgentOf returns who the client says it is in a request, for
// [known.CheckClaim]. The order of the headers, which net/http does not keep,
// is not in it.
func AgentOf(r *http.Request) known.Request {
	header := headerText(r.UserAgent())
	return known.Request{
		UserAgent:      header,
		OS:          useragent.Parse(header).OS,
		ClientHints: headerText(r.Header.Get("Sec-Ch-Ua")),
		Platform:    strings.Trim(headerText(r.Header.Get("Sec-Ch-Ua-Platform")), `"`),
	}
}

// headerText bounds what of a header is read.
func headerText(s string) string { return s[:min(len(s), maxAgent)] }
