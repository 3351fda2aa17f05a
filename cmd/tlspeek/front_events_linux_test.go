package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestServeWithAFullDisk: Events wait until the end, and then are lost. /dev/full is
// a file of Linux.
func TestServeWithAFullDisk(t *testing.T) {
	p := startServeProcess(t, nil, "--events", "/dev/full", "--grace", "1h")
	p.ask(t, 20)
	status, log := p.end(t)
	assert.Equal(t, 1, status)
	assert.Equal(t, 1, strings.Count(log, `msg="writing Events fails"`))
	assert.Regexp(t, `\ntlspeek: --events: 20 lines were not written: write /dev/full: no space left on device\n$`, log)
}
