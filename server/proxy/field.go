package proxy

import (
	"fmt"
	"net/http"

	"golang.org/x/net/http/httpguts"

	"github.com/tlspeek/tlspeek/internal/fieldname"
	"github.com/tlspeek/tlspeek/server"
)

// CheckField returns an error if a [Reverse] cannot send the Event in a field of this name,
// as [server.Headers] has it in JSON: the name is not valid, the field frames a message or
// belongs to a connection, clients send it themselves, or Reverse sets or removes it.
func CheckField(name string) error {
	standard := server.Headers{All: true}
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return fmt.Errorf("%q is not the name of a header field", name)
	case standard.Sets(name), ownFields.Has(name):
		return fmt.Errorf("the proxy sets or removes the field %s itself", name)
	case framingFields.Has(name), clientFields.Has(name), !httpguts.ValidTrailerHeader(http.CanonicalHeaderKey(name)):
		return fmt.Errorf("the field %s has a meaning of its own in HTTP", name)
	}
	return nil
}

// clientFields are fields of requests that backends read, beside those that may not be in a
// trailer.
var clientFields = fieldname.New("Accept", "Accept-*", "Access-Control-*", "Cookie", "Origin", "Referer", "Sec-*", "Upgrade", "User-Agent", "Via")
