package main

import (
	"net/http/httptest"
	"os"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/server/echo"
	"github.com/tlspeek/tlspeek/server/page"
)

// TestBudgetMetrics: what is refused is counted, what is used is shown, and
// docs/serve.md has all of it.
func TestBudgetMetrics(t *testing.T) {
	p := &page.Page{Live: new(page.Live)}
	h := &echo.Handler{Page: p, MaxBytes: 32 << 20}
	registry := prometheus.NewRegistry()
	addBudgetMetrics(registry, h)
	p.Live.Stop()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/live/events", nil))
	h.Refused("watchers", "client")

	text, err := os.ReadFile("../../docs/serve.md")
	require.NoError(t, err)
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 3)
	metrics := 0
	for _, f := range families {
		assert.Contains(t, string(text), "`"+f.GetName()+"`")
		metrics += len(f.Metric)
	}
	assert.Equal(t, 4*len(h.Resources()), metrics, "also of what was not refused")
	for _, r := range h.Resources() {
		assert.Contains(t, string(text), "`"+r.Name+"`")
		assert.Zero(t, r.Used)
		assert.NotZero(t, r.Total)
	}
}

func TestAnswerMemoryFlag(t *testing.T) {
	assert.NoError(t, (&budgetFlags{answerMemory: 64 << 20}).check())
	assert.EqualError(t, (&budgetFlags{answerMemory: 1}).check(), "--answer-memory 1: must be 16777216 or more")
}
