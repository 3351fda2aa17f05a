package capture

// lisp reads the IP packet after a LISP header (RFC 9300, section 5).
func (s *scanner) lisp(b []byte) {
	s.addLayer(LayerLISP, 0)
	s.ip(b[8:])
}
