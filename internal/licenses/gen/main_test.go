package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// isc is the text of the ISC licence.
const isc = `Copyright (c) 2026 Someone

Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH
REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY
AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM
LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR
OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
PERFORMANCE OF THIS SOFTWARE.
`

// gpl is the notice that files under the GPL have.
const gpl = `This program is free software: you can redistribute it and/or modify it under the terms of the GNU
General Public License as published by the Free Software Foundation, either version 3 of the License, or
(at your option) any later version.

This program is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the
implied warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU General Public License
for more details.

You should have received a copy of the GNU General Public License along with this program. If not, see
<https://www.gnu.org/licenses/>.
`

func TestClassify(t *testing.T) {
	for name, c := range map[string]struct {
		files []legalFile
		want  string // error
	}{
		"allowed":           {[]legalFile{{"LICENSE", isc}}, ""},
		"not allowed":       {[]legalFile{{"LICENSE", isc}, {"a/COPYING", gpl}}, "a/COPYING has the licence GPL"},
		"none":              {nil, "has no licence"},
		"a notice alone":    {[]legalFile{{"NOTICE", isc}}, "has no licence"},
		"unknown":           {[]legalFile{{"LICENSE", "You may look at this, but not touch it, on Tuesdays."}}, "is the text of a known licence"},
		"a clause is added": {[]legalFile{{"LICENSE", isc + strings.Repeat("It must not be used for evil things. ", 20)}}, "is the text of a known licence"},
	} {
		m := &module{path: "m.example/m", version: "v1.0.0", files: c.files}
		err := m.classify()
		if c.want == "" {
			require.NoError(t, err, name)
			assert.Equal(t, []string{"ISC"}, m.licences)
			continue
		}
		assert.ErrorContains(t, err, c.want, name)
	}
}

// TestCollect finds the files of a package and of the folders above, up to the module.
func TestCollect(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"LICENSE", "NOTICE.txt", "README.md", "license.go", "a/PATENTS", "a/b/LICENCE.md", "a/other/COPYING"} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("\r\n"+name+"\r\n"), 0o600))
	}
	var m module
	require.NoError(t, m.collect(root, filepath.Join(root, "a", "b")))
	require.NoError(t, m.collect(root, root), "each once")
	assert.Equal(t, []legalFile{
		{"LICENSE", "LICENSE\n"}, {"NOTICE.txt", "NOTICE.txt\n"}, {"a/PATENTS", "a/PATENTS\n"}, {"a/b/LICENCE.md", "a/b/LICENCE.md\n"},
	}, m.files)
}
