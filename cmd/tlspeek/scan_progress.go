package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A progress shows on a terminal how far a scan is.
type progress struct {
	start  time.Time
	bytes  atomic.Int64 // read
	hellos atomic.Int64
	total  int64     // bytes in all files; 0 if unknown
	w      io.Writer // nil if there is no terminal
	stop   chan struct{}
	done   chan struct{}

	mu     sync.Mutex
	shown  bool // the progress is on the current line
	within bool // the current line is unfinished output
}

// begin starts to show the progress if stderr is a terminal and quiet is false.
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

// end stops, and clears the line.
func (p *progress) end() {
	if p.w == nil {
		return
	}
	close(p.stop)
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// clear clears the line for other output.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

func (p *progress) print() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.within {
		return
	}
	bytes, took := p.bytes.Load(), time.Since(p.start)
	rate := float64(bytes) / took.Seconds()
	line := fmt.Sprintf("%s, %s/s, %s", size(float64(bytes)), size(rate), count(p.hellos.Load(), "hello"))
	if p.total > 0 && bytes > 0 {
		left := time.Duration(float64(max(p.total-bytes, 0)) / rate * float64(time.Second))
		line = fmt.Sprintf("%d %% of %s, %s/s, %s, %s left", bytes*100/p.total, size(float64(p.total)), size(rate), count(p.hellos.Load(), "hello"), left.Round(time.Second))
	}
	fmt.Fprintf(p.w, "\r%s\x1b[K", line)
	p.shown = true
}

// over returns a writer to w. If w is a terminal, too, what is written replaces the
// line of the progress.
func (p *progress) over(w io.Writer) io.Writer {
	if p.w == nil || !isTerminal(w) {
		return w
	}
	return &overWriter{w, p}
}

// An overWriter clears the progress before it writes.
type overWriter struct {
	w io.Writer
	p *progress
}

func (o *overWriter) Write(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	o.p.clear()
	n, err := o.w.Write(b)
	if n > 0 {
		o.p.within = b[n-1] != '\n'
	}
	return n, err
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
	null, err := os.Stat(os.DevNull) // also a character device
	return err != nil || !os.SameFile(info, null)
}

// A countingReader adds the bytes that it reads to a progress.
type countingReader struct {
	r io.Reader
	p *progress
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.bytes.Add(int64(n))
	return n, err
}

// count returns a number of things as text: "1,024 packets".
func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return group(n) + " " + what
}

// group returns a number with commas between thousands.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size returns a number of bytes as text: "2.0 GB".
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
