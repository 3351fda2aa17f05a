//go:build !unix

package proxy

// A socket is that of a backendConn.
type socket struct{}

func (*socket) init(*backendConn) {}

func (*socket) read(c *backendConn, p []byte) (int, error) { return c.readPlainly(p) }

// arrived sees nothing.
func (*socket) arrived() bool { return false }
