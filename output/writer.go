package output

import (
	"io"

	"github.com/tlspeek/tlspeek/event"
)

// bufferSize is how many bytes a Writer holds back before it writes them.
const bufferSize = 8 << 10

// A Writer writes Events in one Format. It holds bytes back, and writes whole Events
// with each call of its io.Writer. After an error of that it writes nothing more and
// returns the error again.
type Writer struct {
	format  *Format
	options Options
	w       io.Writer
	buf     []byte
	event   event.Event // of WriteObservation
	err     error       // of w
}

// WriteHeader writes what stands before the first Event: in a tabular format, the
// names of the columns.
func (w *Writer) WriteHeader() error {
	if !w.format.Tabular() {
		return w.err
	}
	return w.keep(w.format.appendHeader(w.buf, w.options.Columns))
}

// WriteEvent writes e.
func (w *Writer) WriteEvent(e *event.Event) error {
	if w.format.Tabular() {
		return w.keep(w.format.appendColumns(w.buf, w.options.Columns, e))
	}
	buf, err := w.format.appendEvent(w.buf, e)
	if err != nil {
		return err
	}
	return w.keep(buf)
}

// WriteObservation writes the Event that ob makes of o. In JSON it takes less time
// than to make the Event and to write that.
func (w *Writer) WriteObservation(ob *event.Observer, o *event.Observation) error {
	if w.format.Tabular() {
		ob.Fill(&w.event, o, w.options.Size)
		return w.WriteEvent(&w.event)
	}
	buf, err := w.format.appendObservation(w.buf, ob, o, w.options.Size)
	if err != nil {
		return err
	}
	return w.keep(buf)
}

// keep makes buf, which has one Event more than before, the buffer.
func (w *Writer) keep(buf []byte) error {
	w.buf = buf
	if len(buf) < bufferSize {
		return w.err
	}
	return w.Flush()
}

// Flush writes what the Writer holds back.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}
