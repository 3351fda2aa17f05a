package known

import (
	_ "embed"
	"strings"
)

//go:generate go test -run ^Test(Releases)?Generated$ -update .

// builtinText is the clients file of the built-in clients. Lookups use builtin, which
// is generated from it.
//
//go:embed clients.jsonl
var builtinText string

// BuiltinEntries returns the built-in clients. Each call reads them again, so the
// caller may change the entries.
func BuiltinEntries() ([]Entry, error) { return ReadEntries(strings.NewReader(builtinText)) }
