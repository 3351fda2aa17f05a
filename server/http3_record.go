package server

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/tlspeek/tlspeek/fingerprint"
)

const (
	// settingsTimeout is how long the first request waits for SETTINGS, which clients
	// send before it, and other requests for the first. Where a packet is lost they come
	// later.
	settingsTimeout = 250 * time.Millisecond

	// framesTimeout is how long it waits for frames behind SETTINGS that have come and
	// were not read yet.
	framesTimeout = time.Millisecond

	// maxRecorded is how many request streams of a connection are searched for the first
	// request. The time for one grows with the square of the number of its packets.
	maxRecorded = 4
)

// An http3Record reads what the control stream and the first request of a client say. It
// looks at the beginning of the streams and leaves all of them to quic-go.
type http3Record struct {
	conn     *quicConn     // nil if there is nothing to record
	over     atomic.Bool   // nothing more is recorded
	done     chan struct{} // closed then
	settings chan struct{} // closed when SETTINGS has come, or will not
	control  chan struct{} // closed when no more of the control stream is read

	mu       sync.Mutex // guards what follows
	streams  int        // request streams that were looked at
	came     bool       // the first request
	closed   bool       // no control stream is read any more
	stream   *quic.ReceiveStream
	read     fingerprint.HTTP3Control // what was read of stream
	settled  bool                     // settings is closed
	finished bool                     // control is closed
}

func newHTTP3Record(c *quicConn) *http3Record {
	r := &http3Record{conn: c, done: make(chan struct{}), settings: make(chan struct{}), control: make(chan struct{})}
	r.over.Store(c == nil)
	return r
}

// readControl reads str until the first request has come, if it is the control stream.
func (r *http3Record) readControl(str *quic.ReceiveStream) {
	if r.over.Load() {
		return
	}
	buf, ok := peekType(str)
	if !ok || !r.beginControl(str) {
		return
	}
	for {
		needed, err := r.parseControl(buf)
		if err != nil {
			break
		}
		if buf, err = peek(str, buf, needed); err != nil {
			break
		}
	}
	r.endControl(str)
}

// peekType returns the type of a stream as it was sent, and whether it is that of a
// control stream.
func peekType(str *quic.ReceiveStream) (buf []byte, ok bool) {
	buf, err := peek(str, nil, 1)
	if err == nil {
		buf, err = peek(str, buf, 1<<(buf[0]>>6))
	}
	if err != nil {
		return nil, false
	}
	typ, _, err := quicvarint.Parse(buf)
	return buf, err == nil && typ == 0
}

// A peeker is a stream of quic-go.
type peeker interface{ Peek(b []byte) (int, error) }

// peek returns the first n bytes of str, in memory of buf if it is large enough.
func peek(str peeker, buf []byte, n int) ([]byte, error) {
	buf = slices.Grow(buf[:0], n)[:n]
	_, err := str.Peek(buf)
	return buf, err
}

// beginControl reports whether str is the first control stream, and in time. At a second
// one, no more of the first is read: quic-go ends a connection that has two.
func (r *http3Record) beginControl(str *quic.ReceiveStream) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stream != nil {
		r.stopControl(0)
		return false
	}
	if r.closed {
		return false
	}
	r.stream = str
	return true
}

// stopControl ends what waits for more of the control stream, after a time for what has
// come. It reports whether something does. It is called with mu held.
func (r *http3Record) stopControl(after time.Duration) bool {
	if r.stream == nil || r.finished {
		return false
	}
	_ = r.stream.SetReadDeadline(time.Now().Add(after)) // it never fails
	return true
}

func (r *http3Record) parseControl(buf []byte) (needed int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	needed, err = r.read.Parse(buf)
	if r.read.Seen() {
		r.settingsCame()
	}
	return needed, err
}

// settingsCame is called with mu held.
func (r *http3Record) settingsCame() {
	if !r.settled {
		r.settled = true
		close(r.settings)
	}
}

func (r *http3Record) endControl(str *quic.ReceiveStream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = true
	_ = str.SetReadDeadline(time.Time{}) // it never fails
	r.settingsCame()
	close(r.control)
}

// readRequest reads the header on str, if it may be the first request. It returns when
// the first request is recorded.
func (r *http3Record) readRequest(str *quic.Stream) {
	if r.over.Load() {
		return
	}
	if !r.beginRequest() {
		r.await(r.done)
		return
	}
	var request fingerprint.HTTP3Request
	var buf []byte
	for needed := 1; !request.Done(); {
		var err error
		if buf, err = peek(str, buf, needed); err != nil {
			return // quic-go finds the same
		}
		if needed, err = request.Parse(buf); err != nil {
			return
		}
	}
	r.requestCame(&request)
}

// await waits for c to be closed, but not for long.
func (r *http3Record) await(c <-chan struct{}) {
	timeout := time.NewTimer(settingsTimeout)
	defer timeout.Stop()
	select {
	case <-c:
	case <-timeout.C:
	}
}

func (r *http3Record) beginRequest() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams++
	return r.streams <= maxRecorded
}

// requestCame records a request if it is the first, and otherwise waits for that.
func (r *http3Record) requestCame(request *fingerprint.HTTP3Request) {
	r.mu.Lock()
	first := !r.came
	r.came = true
	r.mu.Unlock()
	if !first {
		<-r.done
		return
	}
	r.await(r.settings)
	r.mu.Lock()
	r.closed = true
	reading := r.stopControl(framesTimeout)
	r.mu.Unlock()
	if reading {
		<-r.control
	}
	r.keep(request)
	r.over.Store(true)
	close(r.done)
}

// keep keeps what was read, and settles the connection. A header that was not read to its
// end is left to the handler.
func (r *http3Record) keep(request *fingerprint.HTTP3Request) {
	hs := r.conn.theHellos()
	if hs == nil {
		return
	}
	r.mu.Lock()
	text, wire := string(fingerprint.AppendHTTP3(nil, &r.read, request)), string(fingerprint.AppendHTTP3Wire(nil, &r.read, request))
	r.read = fingerprint.HTTP3Control{}
	r.mu.Unlock()
	hs.setHTTP3(text, wire, strings.Join(request.Names(), ","))
	if !request.Whole() {
		return
	}
	says := claimFields{userAgent: request.UserAgent()}
	says.clientHints, says.platform = request.ClientHints()
	first := pendingRequest{says: says}
	first.method, first.host, first.uri = request.Target()
	hs.life.firstCame(first, nil) // the outcome of the handshake has come
}
