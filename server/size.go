package server

// HelloSize implements [Client].
func (c *Conn) HelloSize() int {
	if !c.outcome.Load() {
		return 0
	}
	return c.messageSize()
}

// HelloSize implements [Client].
func (c *quicConn) HelloSize() int {
	if l := c.theLife(); l != nil {
		return l.conn.messageSize()
	}
	return 0
}
