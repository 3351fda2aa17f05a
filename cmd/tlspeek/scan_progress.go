package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// A progress tells on a terminal how far a scan is.
type progress struct {
	start  time.Time
	bytes  atomic.Int64 // read
	hellos atomic.Int64
	total  int64     // bytes in all files, or 0 if that is not known
	w      io.Writer // nil if nobody watches
	stop   chan struct{}
	done   chan struct{}
}

// begin begins to tell, if stderr is a terminal and quiet is false.
func (p *progress) begin(stderr io.Writer, files []string, quiet bool) {
	p.start = time.Now()
	if quiet || !isTerminal(stderr) {
		return
	}
	p.w = stderr
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			p.total = 0
			break
		}
		p.total += info.Size()
	}
	p.stop, p.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(p.done)
		tick := time.NewTicker(time.Second / 4)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.print()
			case <-p.stop:
				return
			}
		}
	}()
}

// end ends it, and leaves the line empty.
func (p *progress) end() {
	if p.w == nil {
		return
	}
	close(p.stop)
	<-p.done
	p.clear()
}

// clear empties the line, for something else to be printed.
func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func (p *progress) print() {
	bytes, took := p.bytes.Load(), time.Since(p.start)
	rate := float64(bytes) / took.Seconds()
	line := fmt.Sprintf("%s, %s/s, %s", size(float64(bytes)), size(rate), count(p.hellos.Load(), "hello"))
	if p.total > 0 && bytes > 0 {
		left := time.Duration(float64(max(p.total-bytes, 0)) / rate * float64(time.Second))
		line = fmt.Sprintf("%d %% of %s, %s/s, %s, %s left", bytes*100/p.total, size(float64(p.total)), size(rate), count(p.hellos.Load(), "hello"), left.Round(time.Second))
	}
	fmt.Fprintf(p.w, "\r%s\x1b[K", line)
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a character device as well
	return err != nil || !os.SameFile(info, null)
}

// A countingReader counts what is read.
type countingReader struct {
	r io.Reader
	p *progress
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.bytes.Add(int64(n))
	return n, err
}

// count returns a number with what it counts: "1,024 packets".
func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return group(n) + " " + what
}

// group returns a number with commas.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size returns a number of bytes: "2.0 GB".
func size(n float64) string {
	unit := 0
	for ; n >= 1000 && unit < 5; unit++ {
		n /= 1000
	}
	if unit == 0 {
		return strconv.FormatFloat(n, 'f', 0, 64) + " B"
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " " + "kMGTP"[unit-1:unit] + "B"
}
