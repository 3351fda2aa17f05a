package server

import "github.com/tlspeek/tlspeek/event"

// ClientText returns the names of the clients that may have sent the hello of e, as the
// field Client of [Headers] has them, or "" if no known client is near.
func ClientText(e *event.Event) string { return textList(nearestNames(e.Client)) }
