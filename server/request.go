package server

import (
	"net/http"
	"strings"

	"github.com/mileusna/useragent"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
)

// maxHeaderText is how much of a header field is read, in bytes. Browsers send
// less than half of it.
const maxHeaderText = fingerprint.MaxHTTP2Field

// A claimFields has the header fields of a request that say who its client is. At
// most 512 bytes of each count.
type claimFields struct {
	userAgent   string
	clientHints string // Sec-CH-UA
	platform    string // Sec-CH-UA-Platform
}

func claimFieldsOf(r *http.Request) claimFields {
	return claimFields{headerText(r.UserAgent()), headerText(r.Header.Get("Sec-Ch-Ua")), headerText(r.Header.Get("Sec-Ch-Ua-Platform"))}
}

// request returns what f says, without the order of the header fields. It is zero
// if f is.
func (f claimFields) request(osOf func(userAgent string) string) known.Request {
	if f == (claimFields{}) {
		return known.Request{}
	}
	return known.Request{
		UserAgent:   f.userAgent,
		OS:          osOf(f.userAgent),
		ClientHints: f.clientHints,
		Platform:    strings.Trim(f.platform, `"`),
	}
}

// osOf returns the operating system that a User-Agent names.
func osOf(userAgent string) string { return useragent.Parse(userAgent).OS }

// headerText bounds how much of a header field is read. It copies that, so that a
// long field does not stay in memory with its beginning.
func headerText(s string) string {
	if len(s) <= maxHeaderText {
		return s
	}
	return strings.Clone(s[:maxHeaderText])
}
