package server

import (
	"crypto/tls"
	"errors"
	"time"
)

// A Decision says what becomes of a connection, or of a request. The zero value lets
// it pass.
type Decision struct {
	// Close ends the connection before crypto/tls has answered anything:
	// reading from it returns [ErrRefused]. What it means for a request is for the
	// handler to say.
	Close bool

	// Wait holds the client back for so long before crypto/tls has the hello, and
	// before Close. It ends early if the client or the server closes the connection, or
	// its time for the handshake is up. It does not apply over QUIC. A request is for the
	// handler to hold back.
	Wait time.Duration

	// WaitOver, if not nil, is called once when Wait is over, or at once where it does
	// not apply: for a count of those that wait. A handler that holds a request back has
	// to call it.
	WaitOver func()

	// Once has Decide not called again for a hello after a HelloRetryRequest: this
	// Decision is for both.
	Once bool

	// Config, if not nil, is what the handshake goes on with, if that of the
	// server was made by [ConfigForDecisions]. A [Server] does that itself. Without
	// NextProtos it has those of the server.
	Config *tls.Config

	// Rule is the name of the rule that decided, Action what it decided, and Tags are its
	// labels. The Event has them. Where Action is empty and there is a rule, it is
	// "close", "wait" or "pass".
	//
	// A rule of a later Decision, about a second hello or the first request, takes the
	// place of an earlier one in the Event, and its tags are added.
	Rule   string
	Action string
	Tags   []string

	// Retry is when the client may try again, if a request is over a limit.
	Retry time.Duration
}

// ErrRefused is the error of reading from a connection that a [Decision] closes.
var ErrRefused = errors.New("refused for its ClientHello")

// ConfigForDecisions returns a copy of base for a server behind a [Listener]: a
// handshake goes on with the Config of its Decision. Without one, it goes on as
// with base.
func ConfigForDecisions(base *tls.Config) *tls.Config {
	config := base.Clone()
	config.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		if c := connOf(info.Conn); c != nil && c.config != nil {
			return withProtos(c.config, base.NextProtos), nil
		}
		if base.GetConfigForClient != nil {
			return base.GetConfigForClient(info)
		}
		return nil, nil
	}
	return config
}

// withProtos returns config with protos, unless it has some.
func withProtos(config *tls.Config, protos []string) *tls.Config {
	if len(config.NextProtos) > 0 || len(protos) == 0 {
		return config
	}
	config = config.Clone()
	config.NextProtos = protos
	return config
}
