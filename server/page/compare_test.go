package page

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestListIsBounded: a capture of as many hellos as are listed, each of 60 KB, makes a
// page of less than 1 MB.
func TestListIsBounded(t *testing.T) {
	for name, h := range hellotest.Costly() {
		var many []event.Observation
		for range maxListed {
			many = append(many, observeHello(h))
		}
		w := post(t, pageOf(&Page{Read: func(context.Context, []byte) ([]event.Observation, error) { return many, nil }}, h), nil, []byte{1})
		assert.Equal(t, 200, w.Code)
		assert.Contains(t, w.Body.String(), "40 hellos", name)
		assert.Less(t, w.Body.Len(), 1<<20, name)
		assert.Equal(t, len(h.Raw)*maxListed > maxListedSize, strings.Contains(w.Body.String(), "too long to list: give it alone"), name)
	}
}

// TestFormParts: the first file counts, and of the other fields the last. A form has few
// parts.
func TestFormParts(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := range maxParts - 2 {
		require.NoError(t, form.WriteField("hello", fmt.Sprint(i)))
	}
	for _, text := range []string{"first", "second"} {
		part, err := form.CreateFormFile("file", "a")
		require.NoError(t, err)
		fmt.Fprint(part, text)
	}
	read := func() (compareInput, error) {
		r := httptest.NewRequest("POST", "/compare", strings.NewReader(body.String()+"\r\n--"+form.Boundary()+"--\r\n"))
		r.Header.Set("Content-Type", form.FormDataContentType())
		return readForm(r, int64(body.Len()))
	}
	in, err := read()
	require.NoError(t, err)
	assert.Equal(t, compareInput{text: "13", file: []byte("first")}, in)
	require.NoError(t, form.WriteField("with", "mine"))
	_, err = read()
	assert.EqualError(t, err, "more than 16 parts")
}
