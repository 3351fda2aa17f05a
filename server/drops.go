package server

import "sync/atomic"

// helloDrops counts what a tap did not read or keep, for want of room or to spare the
// processor.
type helloDrops struct {
	port  atomic.Int64 // Initials and hellos beyond what one port of a client may send
	room  atomic.Int64 // ports of clients that were forgotten to make room for others
	total atomic.Int64 // Initials beyond what all may send together
}

// DroppedHellos returns what was not read or kept of the hellos of clients: Initials
// and hellos beyond what one port of a client may send, ports of clients that were
// forgotten to make room for others, and Initials beyond what all clients may send that
// have not shown their address. If a connection comes of such a hello, it has no Event.
func (s *HTTP3) DroppedHellos() (port, room, total int64) {
	return s.drops.port.Load(), s.drops.room.Load(), s.drops.total.Load()
}

// DroppedHellosQUIC returns the counts of [HTTP3.DroppedHellos].
func (s *Server) DroppedHellosQUIC() (port, room, total int64) {
	if h3 := s.http3.Load(); h3 != nil {
		return h3.DroppedHellos()
	}
	return 0, 0, 0
}
