package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/filter"
	"github.com/tlspeek/tlspeek/policy"
)

// whereFlags has the flags of scan that select hellos by expressions.
type whereFlags struct {
	exprs []string
	lists []string // NAME=FILE

	options  policy.EnvOptions // beside the lists
	warnings []policy.Warning  // once compiled
}

func (f *whereFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.exprs, "where", nil, `only hellos of which this `+"`expression`"+` is true, such as client.exists(c, c.family == "Go") && sni != "", in single quotes`)
	flags.StringArrayVar(&f.lists, "list", nil, "a list that inList in --where asks, as `NAME=FILE`: a value a line")
}

// suggest makes shells complete the first key of an expression.
func (f *whereFlags) suggest(cmd *cobra.Command) {
	suggestOf(cmd, "where", func() []string {
		keys := make([]string, len(event.Fields))
		for i := range keys {
			keys[i] = event.Fields[i].Key
		}
		return keys
	})
}

// compile reads the lists and compiles the expressions. paths are the other arguments, for
// hints.
func (f *whereFlags) compile(paths []string) (*filter.Where, error) {
	o := f.options
	o.Lists = make(map[string]policy.Set)
	for _, text := range f.lists {
		name, file, ok := strings.Cut(text, "=")
		switch {
		case !ok || name == "" || file == "":
			return nil, fmt.Errorf("--list %q: must be a name, = and a file, such as bad=bad-ja4.txt", text)
		case o.Lists[name] != nil:
			return nil, fmt.Errorf("--list %s: is given twice", name)
		case len(f.exprs) == 0:
			return nil, errors.New("--list needs --where")
		}
		list, err := readList(file)
		if err != nil {
			return nil, fmt.Errorf("--list %s: %w", name, err)
		}
		o.Lists[name] = list
	}
	w, err := filter.NewWhere(f.exprs, o)
	if err != nil {
		if x, ok := errors.AsType[*policy.ExprError](err); ok && strings.HasPrefix(x.Message, "there is no list") && x.Hint == "" {
			x.Hint = "name it with --list NAME=FILE"
		}
		return nil, fmt.Errorf("--where: %w%s", err, shellHint(strings.Join(f.exprs, " "), paths, err))
	}
	f.warnings = w.Warnings(o.Lists)
	return w, nil
}

func readList(file string) (*policy.List, error) {
	r, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return policy.ReadList(r, file, policy.ListAuto)
}

// writeWarnings says what of the expressions is of no use.
func (f *whereFlags) writeWarnings(w io.Writer) {
	for _, x := range f.warnings {
		fmt.Fprintf(w, "tlspeek: warning: --where: %s%s\n", x.Message, x.Source)
	}
}

// writeLiveKeys says which keys that expressions read are empty in captures.
func writeLiveKeys(w io.Writer, keys []string) {
	if len(keys) > 0 {
		fmt.Fprintf(w, "tlspeek: captures do not have %s, which --where reads: empty in each hello\n", strings.Join(keys, ", "))
	}
}
