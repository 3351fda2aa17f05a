package server

import "github.com/tlspeek/tlspeek/event"

// maxOwnEvent is how many bytes a settled Event may take that stays as long as its
// connection. That of a browser takes 3 KB; that of a hello of 60 KB up to 1.7 MB.
// Larger ones are kept where there is room.
const maxOwnEvent = 16 << 10

// What parts of an Event take in bytes, the texts apart.
const (
	eventBytes     = 1 << 10
	textBytes      = 16
	candidateBytes = 88
	tellBytes      = 80
)

// eventSize returns how many bytes e takes, or somewhat more: texts that the program
// has anyway count, too.
func eventSize(e *event.Event) int {
	n := eventBytes
	for _, list := range [...][]string{
		e.ALPN, e.CipherSuites, e.Extensions, e.SupportedGroups, e.SignatureAlgorithms,
		e.SupportedVersions, e.ECPointFormats, e.KeyShareGroups, e.Tags,
	} {
		n += cap(list) * textBytes
		for _, text := range list {
			n += len(text)
		}
	}
	for i := range e.Fingerprints {
		n += len(e.Fingerprints[i])
	}
	n += cap(e.Client) * candidateBytes
	n += cap(e.Tells) * tellBytes
	for i := range e.Tells {
		n += len(e.Tells[i].Found) + len(e.Tells[i].Expected)
	}
	if e.SNI != nil {
		n += len(*e.SNI)
	}
	n += len(e.UserAgent) + len(e.Error) + len(e.Received)
	return n + n/4 // what the allocator rounds up
}

// keep keeps e, which nobody may change from now on, unless more has become known
// since version.
func (l *life) keep(e *event.Event, version int) {
	size := eventSize(e)
	l.mu.Lock()
	before := l.keptBytes
	switch {
	case l.version != version:
	case l.settled == event.NotSettled || l.deciding:
		l.seen, l.keptBytes = e, size
	default:
		l.setFinal(e, size)
	}
	changed := l.keptBytes != before
	l.mu.Unlock()
	if changed {
		l.settling.countKept(l)
	}
}

// keepFinal keeps e, which was settled and which nobody may change from now on. Nobody
// is likely to ask for it again when the connection has ended: then a large one is not
// kept.
func (l *life) keepFinal(e *event.Event) {
	size := eventSize(e)
	large := size > maxOwnEvent
	l.mu.Lock()
	if !large || l.settled != event.SettledEnd {
		l.setFinal(e, size)
	}
	l.mu.Unlock()
	if large {
		l.settling.countKept(l)
	}
}

// setFinal keeps e, which was settled, and its claim. It is called with mu held.
func (l *life) setFinal(e *event.Event, size int) {
	l.final = e
	if size > maxOwnEvent {
		l.keptBytes = size
	}
	if l.settled == event.SettledRequest {
		l.judged[0].claim, l.judged[0].known = e.Claim, true
	}
}

// dropSeen drops the Event that was made before, as more is known now. It reports
// whether that has taken room. It is called with mu held.
func (l *life) dropSeen() (counted bool) {
	counted = l.keptBytes > 0
	l.seen, l.keptBytes = nil, 0
	l.version++
	return counted
}

// changedAndUnlock is changed, called with mu held, which it unlocks.
func (l *life) changedAndUnlock() bool {
	before := l.settled == event.NotSettled
	counted := before && l.dropSeen()
	l.mu.Unlock()
	if counted {
		l.settling.countKept(l)
	}
	return before
}

// dropLarge drops an Event whose room is counted. It can be made again.
func (l *life) dropLarge() {
	l.mu.Lock()
	counted := l.dropKept()
	l.mu.Unlock()
	if counted {
		l.settling.countKept(l)
	}
}

// dropKept drops the Event whose room is counted, and reports whether there was one.
// It is called with mu held.
func (l *life) dropKept() bool {
	if l.keptBytes == 0 {
		return false
	}
	l.seen, l.final, l.keptBytes = nil, nil, 0
	return true
}

// countKept brings up to date how much room the Event of l takes.
func (s *settling) countKept(l *life) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.syncKept(l)
	s.evictKept()
}

// syncKept is countKept, called with mu held. It makes no room.
func (s *settling) syncKept(l *life) {
	l.mu.Lock()
	bytes := l.keptBytes
	l.mu.Unlock()
	switch {
	case bytes == 0:
		s.kept.Remove(&l.kept)
	case l.kept.List() == nil:
		s.kept.Add(&l.kept, l, bytes)
	default:
		s.kept.Resize(&l.kept, bytes)
	}
}

// evictKept drops Events until there is enough room: those that were made first go
// first. A life that waits is not settled for the Event of another. It is called with
// mu held.
func (s *settling) evictKept() {
	for s.kept.Len() > 0 && s.waitingSize()+s.kept.Size() > s.room() {
		l := s.kept.Oldest()
		s.kept.Remove(&l.kept)
		l.mu.Lock()
		l.dropKept()
		l.mu.Unlock()
	}
}
