//go:build !haproxy

package proxy_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests, which must leave no goroutine. In a child process it runs the
// proxy that a benchmark needs there.
func TestMain(m *testing.M) {
	if kind := os.Getenv("TLSPEEK_TEST_PROXY"); kind != "" {
		if err := child(kind, os.Getenv("TLSPEEK_TEST_BACKEND")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}
