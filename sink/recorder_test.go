package sink_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/sink"
)

// hello returns the observation of a hello with this server name.
func hello(name string) *event.Observation {
	h := hellotest.Hello(hellotest.Extension(parser.ExtServerName, hellotest.ServerName([]byte(name))))
	return &event.Observation{Hello: h, Index: 1}
}

// observe makes the full Event of o, and has r show and record it.
func observe(r *sink.Recorder, o *event.Observation) {
	e := new(event.Observer).Event(o, event.Full)
	r.Show(&e)
	r.Record(&e)
}

// recorded is what the tests read of an Event.
type recorded struct {
	SNI   string `json:"sni"`
	JA4RO string `json:"ja4_ro"`
	Error string `json:"error"`
}

func decode(t *testing.T, text []byte) (r recorded) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &r), "%s", text)
	return r
}

func TestRecorder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "hello.json")
	require.NoError(t, os.WriteFile(path, []byte(`[{"sni":"earlier"},{"sni":"before"}]`), 0o600))
	var lines bytes.Buffer
	latest := &sink.Latest{Path: path, Keep: 3}
	require.NoError(t, latest.Load())
	q := &sink.Queue{W: &lines}
	r := &sink.Recorder{Events: q, Size: event.Full, Latest: latest}
	go q.Run()
	observe(r, hello("one.example"))
	observe(r, &event.Observation{Err: errors.New("no hello")})
	observe(r, hello("two.example"))
	observe(r, &event.Observation{Err: errors.New("not TLS"), Received: []byte("GET /")})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, r.Run(ctx))
	require.NoError(t, q.Close(t.Context()))

	all := bytes.Split(bytes.TrimSuffix(lines.Bytes(), []byte("\n")), []byte("\n"))
	require.Len(t, all, 3, "a client that sent nothing is not recorded")
	assert.Equal(t, "one.example", decode(t, all[0]).SNI)
	assert.NotEmpty(t, decode(t, all[1]).JA4RO)
	assert.Equal(t, "not TLS", decode(t, all[2]).Error)

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var kept []recorded
	require.NoError(t, json.Unmarshal(text, &kept))
	require.Len(t, kept, 3)
	assert.Equal(t, []string{"one.example", "two.example", ""}, []string{kept[0].SNI, kept[1].SNI, kept[2].SNI})
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file is left")
}

// TestRecorderSavesWhileItRuns has a fake clock.
func TestRecorderSavesWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "hello.json")
		r := &sink.Recorder{Latest: &sink.Latest{Path: path, Keep: 3}}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- r.Run(ctx) }()
		observe(r, hello("one.example"))
		time.Sleep(11 * time.Second)
		assert.Contains(t, read(t, path), `"sni":"one.example"`)
		cancel()
		require.NoError(t, <-ran)
	})
}
