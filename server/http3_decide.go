package server

import "crypto/tls"

// decidingConfig returns TLSConfig, where Decide is asked for each hello.
func (s *HTTP3) decidingConfig() *tls.Config {
	if s.Decide == nil {
		return s.TLSConfig
	}
	config := s.TLSConfig.Clone()
	config.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		c, ok := clientOf(info.Context()).(*quicConn)
		var chosen *tls.Config
		var d Decision
		if ok {
			d = s.decide(c)
			if d.Close {
				return nil, ErrRefused
			}
			chosen = d.Config
		}
		if chosen == nil && s.TLSConfig.GetConfigForClient != nil {
			var err error
			if chosen, err = s.TLSConfig.GetConfigForClient(info); err != nil {
				return nil, err
			}
		}
		if !ok || d.Once {
			return chosen, nil
		}
		if chosen == nil {
			chosen = s.TLSConfig
		}
		return s.decidingAgain(c, chosen, info.ServerName), nil
	}
	return config
}

// decide asks Decide and records what it says. Wait does not apply.
func (s *HTTP3) decide(c *quicConn) Decision {
	d := s.Decide(c)
	d.waitOver()
	if l := c.theLife(); l != nil && d.outcome().isSet() {
		l.decided(d)
	}
	return d
}

// decidingAgain returns config, where Decide is asked for a second hello. crypto/tls
// calls GetConfigForClient for the first one alone, and looks for a certificate when
// it has read the last. If it resumes a session it needs none, and calls
// VerifyConnection when it has answered.
func (s *HTTP3) decidingAgain(c *quicConn, config *tls.Config, serverName string) *tls.Config {
	asked := false
	ask := func() error {
		if asked || c.Times().SecondHello.IsZero() {
			return nil
		}
		asked = true
		if s.decide(c).Close {
			return ErrRefused
		}
		return nil
	}
	own := config.Clone()
	if serverName == "" {
		own.Certificates = nil // crypto/tls would take one without GetCertificate
	}
	own.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if err := ask(); err != nil {
			return nil, err
		}
		if serverName == "" && len(config.Certificates) > 0 {
			return firstSupported(config.Certificates, info), nil
		}
		if config.GetCertificate != nil {
			return config.GetCertificate(info)
		}
		return nil, nil
	}
	own.VerifyConnection = func(state tls.ConnectionState) error {
		if err := ask(); err != nil {
			return err
		}
		if config.VerifyConnection != nil {
			return config.VerifyConnection(state)
		}
		return nil
	}
	return own
}

// firstSupported returns the certificate that crypto/tls takes for a client that names
// no server: the first that the client supports, or else the first.
func firstSupported(certificates []tls.Certificate, info *tls.ClientHelloInfo) *tls.Certificate {
	for i := range certificates {
		if info.SupportsCertificate(&certificates[i]) == nil {
			return &certificates[i]
		}
	}
	return &certificates[0]
}
