package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadmeExamples: what the README reads of testdata prints something, and the exit status
// is 0.
func TestReadmeExamples(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	examples := regexp.MustCompile(`(?m)^    (?:\$ )?tlspeek (.*testdata/.*)$`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, examples, 7)
	word := regexp.MustCompile(`'[^']*'|\S+`)
	for _, example := range examples {
		args := word.FindAllString(example[1], -1)
		for i := range args {
			args[i] = strings.ReplaceAll(strings.Trim(args[i], "'"), "testdata/", "../../testdata/")
		}
		var stdout, stderr bytes.Buffer
		assert.Zero(t, run(args, strings.NewReader(""), &stdout, &stderr), "%s: %s", example[1], &stderr)
		assert.NotEmpty(t, stdout.String(), example[1])
		assert.NotContains(t, stderr.String(), "warning", example[1])
	}
}
