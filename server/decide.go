package server

import (
	"crypto/tls"
	"errors"
)

// A Decision says what becomes of a connection. The zero value lets it pass.
type Decision struct {
	// Close ends the connection before crypto/tls has answered anything.
	Close bool

	// Config, if not nil, is what the handshake goes on with, if the server's
	// own is one of [TLSConfig].
	Config *tls.Config
}

// ErrRefused is what reading from a connection returns that a Decision closes.
var ErrRefused = errors.New("refused for its ClientHello")

// TLSConfig returns a copy of base for a server behind a [Listener], which
// hands each connection the Config that was decided on. Without one things are
// as in base.
func TLSConfig(base *tls.Config) *tls.Config {
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
