package main

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProgressOver: output on the same terminal replaces the line of the progress. The
// progress does not cut a line in two.
func TestProgressOver(t *testing.T) {
	var b bytes.Buffer
	p := progress{w: &b, start: time.Now().Add(-time.Second), total: 4000}
	p.bytes.Store(1000)
	o := &overWriter{&b, &p}
	write := func(s string) {
		_, err := o.Write([]byte(s))
		require.NoError(t, err)
	}
	p.print()
	p.print()
	write("a line\nhalf ")
	p.print()
	write("a line\n")
	write("another\n")
	p.print()
	const shown = `\r25 % of 4\.0 kB, [\d.]+ k?B/s, 0 hellos, \w+ left\x1b\[K`
	assert.Regexp(t, regexp.MustCompile("^"+shown+shown+`\r\x1b\[Ka line\nhalf a line\nanother\n`+shown+"$"), b.String())
	assert.Same(t, &b, (&progress{}).over(&b))
	assert.Same(t, &b, p.over(&b), "no terminal")
}
