package event

import "fmt"

// A Settled says why no more will be known of a hello on a live connection.
type Settled uint8

// What settles an Event.
const (
	NotSettled     Settled = iota // more may come
	SettledRequest                // the header of the first request is whole
	SettledLine                   // the first line of the line protocol has come
	SettledEnd                    // the connection has ended
	SettledTime                   // the client said nothing for long enough
	SettledFull                   // there were too many to wait for
	SettledPassed                 // the connection was passed on to the server that ends TLS
)

var settledTexts = [...]string{NotSettled: "", SettledRequest: "request", SettledLine: "line", SettledEnd: "end", SettledTime: "time", SettledFull: "full", SettledPassed: "passed"}

// String returns the text that the JSON form has.
func (s Settled) String() string {
	if int(s) < len(settledTexts) {
		return settledTexts[s]
	}
	return fmt.Sprintf("Settled(%d)", uint8(s))
}

// MarshalText returns the text that the JSON form has.
func (s Settled) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText sets s to what MarshalText wrote.
func (s *Settled) UnmarshalText(text []byte) error {
	for i, name := range settledTexts {
		if name == string(text) {
			*s = Settled(i)
			return nil
		}
	}
	return fmt.Errorf("event: no reason %q for being settled", text)
}

// A Handshake is the outcome of a TLS handshake.
type Handshake struct {
	Version           string `json:"version,omitempty"`             // as in Event.Version
	CipherSuite       string `json:"cipher_suite,omitempty"`        // IANA's name
	Group             string `json:"group,omitempty"`               // IANA's name
	ALPN              string `json:"alpn,omitempty"`                // in the form of parser.AppendText
	Resumed           bool   `json:"resumed,omitempty"`             //
	HelloRetryRequest bool   `json:"hello_retry_request,omitempty"` // the server asked for a second hello
	Error             string `json:"error,omitempty"`               // why it failed, without addresses
	Milliseconds      int64  `json:"milliseconds,omitempty"`        // from the first hello to its end
}

// A FrontJA4 is the JA4 of a client whose TLS ends at a trusted server in front,
// which passes it on in a header field.
type FrontJA4 struct {
	Header string `json:"header"` // name of the field
	JA4    string `json:"ja4"`    // in the form of parser.AppendText
}
