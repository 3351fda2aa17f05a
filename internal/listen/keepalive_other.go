//go:build !linux

package listen

import "syscall"

// acceptedKeepAlive leaves it to net to keep connections alive.
const acceptedKeepAlive = 0

func keepAlive(_, _ string, _ syscall.RawConn) error { return nil }
