package tally

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/output"
)

// A Unique has one Event for each value of a column, the earliest, with how often and
// when the value occurs.
//
// When the table is full, it counts the values that it has, and no new ones.
type Unique struct {
	Column   output.Column
	Format   *output.Format  // of the examples and the lines
	Columns  []output.Column // of a tabular format, as in output.Options
	MaxBytes int64           // of rows; 0 stands for DefaultMaxBytes

	table[uniqueRow]
	line   bytes.Buffer // of the Event at hand
	writer *output.Writer
	lines  lines
	raw    int64            // length of all lines in lines
	dead   int64            // length of those that are no longer examples
	files  []string         // of the examples
	fileOf map[string]int32 // their indices
}

// A uniqueRow has the count of a value and its first Event. The line of that is in
// lines.
type uniqueRow struct {
	events      int64
	first, last instant
	packet      int64 // of the first Event
	file        int32 // likewise, an index in files
	example     lineRef
}

// uniqueRowBytes is what a row takes besides its value and its example.
const uniqueRowBytes = 80 + overhead

// An instant is a time without a location.
type instant struct {
	seconds     int64 // since 1970
	nanoseconds int32
}

func instantOf(t time.Time) instant { return instant{t.Unix(), int32(t.Nanosecond())} }

func (i instant) compare(j instant) int {
	return cmp.Or(cmp.Compare(i.seconds, j.seconds), cmp.Compare(i.nanoseconds, j.nanoseconds))
}

// text returns the time in the form that an Event has.
func (i instant) text() string {
	return time.Unix(i.seconds, int64(i.nanoseconds)).UTC().Format(time.RFC3339Nano)
}

// isBefore reports whether e comes before the first Event of r: by its time or, of
// several at one time, by its file and packet, in whatever order they are added.
func (u *Unique) isBefore(e *event.Event, r *uniqueRow) bool {
	return cmp.Or(instantOf(e.Time).compare(r.first), cmp.Compare(e.File, u.files[r.file]), cmp.Compare(e.Packet, r.packet)) < 0
}

// Add counts e.
func (u *Unique) Add(e *event.Event) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.value = u.Column.Append(u.value[:0], e)
	r, hash := u.find()
	if r != nil && !u.isBefore(e, r) {
		r.events++
		if last := instantOf(e.Time); last.compare(r.last) > 0 {
			r.last = last
		}
		return nil
	}
	size := textBytes(len(u.value)) + uniqueRowBytes
	if r == nil && !u.hasRoom(size) {
		u.dropped++ // before its line is made
		return nil
	}
	line, err := u.lineOf(e)
	if err != nil {
		return err
	}
	fileSize := u.fileSize(e.File)
	switch {
	case r != nil:
		if err := u.compact(); err != nil {
			return err
		}
		if !u.reserve(len(line)+fileSize, u.MaxBytes) { // the row keeps its example
			r.events++
			r.first = instantOf(e.Time)
			return nil
		}
		u.dead += int64(r.example.length)
	case !u.reserve(size+len(line)+fileSize, u.MaxBytes):
		u.dropped++
		return nil
	default:
		r = u.add(hash)
		r.last = instantOf(e.Time)
	}
	r.events++
	r.first, r.packet = instantOf(e.Time), e.Packet
	r.file = u.file(e.File)
	r.example = u.keepLine(line)
	return nil
}

// hasRoom reports whether the table has room for n bytes more.
func (u *Unique) hasRoom(n int) bool {
	return u.bytes+int64(n) <= cmp.Or(u.MaxBytes, DefaultMaxBytes)
}

// fileSize returns how many bytes a file takes that is not among files.
func (u *Unique) fileSize(name string) int {
	const size = 64 // of its places in files and fileOf
	if _, ok := u.fileOf[name]; ok {
		return 0
	}
	return len(name) + size
}

// file returns the index of a file in files.
func (u *Unique) file(name string) int32 {
	i, ok := u.fileOf[name]
	if !ok {
		if u.fileOf == nil {
			u.fileOf = make(map[string]int32)
		}
		name = strings.Clone(name)
		i = int32(len(u.files))
		u.files = append(u.files, name)
		u.fileOf[name] = i
	}
	return i
}

// keepLine adds a line, for which there is room, to lines.
func (u *Unique) keepLine(line []byte) lineRef {
	r, grown := u.lines.add(line)
	u.bytes += int64(grown - len(line))
	u.raw += int64(len(line))
	return r
}

// compact makes lines anew without those that are no longer examples, if these are the
// larger part.
func (u *Unique) compact() error {
	if u.dead < u.raw/2 || u.dead < 4*linesBlock {
		return nil
	}
	before := u.lines
	u.bytes -= int64(before.memory)
	u.lines, u.raw, u.dead = lines{}, 0, 0
	for i := range u.n {
		r := &u.at(i).data
		line, err := before.at(r.example)
		if err != nil {
			return err
		}
		u.bytes += int64(len(line))
		r.example = u.keepLine(line)
	}
	return nil
}

// lineOf returns e as a line, or the header if e is nil. It is valid until the next
// call.
func (u *Unique) lineOf(e *event.Event) ([]byte, error) {
	if u.writer == nil {
		u.writer = u.Format.Open(&u.line, output.Options{Columns: u.Columns})
	}
	u.line.Reset()
	write := u.writer.WriteHeader
	if e != nil {
		write = func() error { return u.writer.WriteEvent(e) }
	}
	if err := write(); err != nil {
		return nil, err
	}
	err := u.writer.Flush()
	return u.line.Bytes(), err
}

// Append appends the lines that [Unique.Write] writes.
func (u *Unique) Append(dst []byte, limit int) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	err := u.Write(b, limit)
	return b.Bytes(), err
}

// Write writes a line for each value to w, by the first time it occurs and then by
// value: at most limit of them, or all if limit is 0. In a tabular format a line is a
// row of the count, the times and the columns of the example, after a header; in
// others it is a JSON object.
//
// If the table was full, a last line has the number of the Events that are in no row:
// a row with nothing but that, or an object with the keys "field" and "others".
func (u *Unique) Write(w io.Writer, limit int) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	numbers := u.numbers()
	slices.SortFunc(numbers, func(i, j uint32) int {
		a, b := u.at(int(i)), u.at(int(j))
		return cmp.Or(a.data.first.compare(b.data.first), bytes.Compare(u.values.at(a.value), u.values.at(b.value)))
	})
	out := blockWriter{w: w}
	if u.Format.Tabular() {
		header, err := u.lineOf(nil)
		if err != nil {
			return err
		}
		out.buf = u.Format.AppendRow(out.buf, []string{"count", "first", "last"}, header)
	}
	for _, n := range first(numbers, limit) {
		var err error
		if out.buf, err = u.appendRow(out.buf, u.at(int(n))); err != nil {
			return err
		}
		out.wrote()
	}
	if u.dropped > 0 {
		out.buf = u.appendOthers(out.buf)
	}
	return out.flush()
}

func (u *Unique) appendRow(dst []byte, r *row[uniqueRow]) ([]byte, error) {
	example, err := u.lines.at(r.data.example)
	if err != nil {
		return dst, err
	}
	d := &r.data
	if u.Format.Tabular() {
		return u.Format.AppendRow(dst, []string{strconv.FormatInt(d.events, 10), d.first.text(), d.last.text()}, example), nil
	}
	value, err := json.Marshal(string(u.values.at(r.value)))
	if err != nil {
		return dst, err
	}
	dst = fmt.Appendf(dst, `{"field":%q,"value":%s,"count":%d,"first":%q,"last":%q,"example":%s}`, u.Column.Name, value,
		d.events, d.first.text(), d.last.text(), bytes.TrimSuffix(example, []byte{'\n'}))
	return append(dst, '\n'), nil
}

func (u *Unique) appendOthers(dst []byte) []byte {
	if !u.Format.Tabular() {
		return fmt.Appendf(dst, `{"field":%q,"others":%d}`+"\n", u.Column.Name, u.dropped)
	}
	columns := u.Columns
	if len(columns) == 0 {
		columns = output.DefaultColumns(event.Compact)
	}
	values := make([]string, 3+len(columns))
	values[0] = strconv.FormatInt(u.dropped, 10)
	return u.Format.AppendRow(dst, values, nil)
}
