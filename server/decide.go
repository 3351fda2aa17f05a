package server

import (
	"crypto/tls"
	"errors"
	"time"
)

// A Decision says what becomes of a connection. The zero value lets it pass.
type Decision struct {
	// Close ends the connection before crypto/tls has answered anything:
	// reading from it returns [ErrRefused].
	Close bool

	// Wait holds the client back for so long before crypto/tls has the hello. It ends
	// early if the connection is closed or its time for the handshake is up. It
	// does not apply over QUIC.
	Wait time.Duration

	// Config, if not nil, is what the handshake goes on with, if that of the
	// server was made by [ConfigForDecisions]. A [Server] does that itself.
	Config *tls.Config

	// Rule is the name of the rule that decided, and Tags are its labels. The Event
	// has them as rule and tags, and as action "close", "wait" or "pass" if there is
	// a rule.
	Rule string
	Tags []string
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
			return c.config, nil
		}
		if base.GetConfigForClient != nil {
			return base.GetConfigForClient(info)
		}
		return nil, nil
	}
	return config
}
