package known

import (
	_ "embed"
	"strings"
)

//go:generate go test -run ^TestGenerated$ -update .

// builtinText is the clients that come with the program, for whoever wants
// their hellos. The lookups use builtin, which is generated from it.
//
//go:embed clients.jsonl
var builtinText string

// BuiltinEntries returns the clients that come with the program. It reads
// them anew at each call.
func BuiltinEntries() ([]Entry, error) { return ReadEntries(strings.NewReader(builtinText)) }
