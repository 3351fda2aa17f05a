package listen

import "syscall"

// acceptedKeepAlive has net set nothing for connections that are accepted.
const acceptedKeepAlive = -1

// keepAliveSeconds is how long a connection is silent before the system asks whether the
// other side is still there, and how long it waits before it asks again. That of net is the same.
const keepAliveSeconds = 15

// keepAlive sets for a listening socket what keeps the connections alive that it accepts.
func keepAlive(_, _ string, c syscall.RawConn) error {
	var err error
	set := func(fd uintptr) {
		for _, option := range [...][3]int{
			{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepAliveSeconds},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, keepAliveSeconds},
		} {
			if err == nil {
				err = syscall.SetsockoptInt(int(fd), option[0], option[1], option[2])
			}
		}
	}
	if failed := c.Control(set); failed != nil {
		return failed
	}
	return err
}
