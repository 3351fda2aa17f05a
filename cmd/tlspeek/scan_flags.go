package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/internal/filter"
	"github.com/tlspeek/tlspeek/internal/nearest"
	"github.com/tlspeek/tlspeek/output"
)

// joined is the value of a flag that means the same given several times as once with
// commas.
type joined string

// Set adds a value.
func (j *joined) Set(value string) error {
	if *j != "" && value != "" {
		value = string(*j) + "," + value
	}
	*j = joined(value)
	return nil
}

// Type returns the name of the type, by which shells know that the flag may be repeated.
func (j *joined) Type() string { return "stringSlice" }

// String returns the text as Set takes it.
func (j *joined) String() string { return string(*j) }

// scanFlagError says what may be meant by a flag that scan does not have.
func scanFlagError(cmd *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := unknown.GetSpecifiedName()
		if name == "json" || name == "jsonl" {
			return fmt.Errorf("%w: without a flag, scan prints JSON, one object a line", err)
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		if hint := nearest.Hint("--"+name, names); hint != "" && len(name) > 2 {
			err = fmt.Errorf("%w (%s)", err, hint)
		}
	}
	return seeHelp(cmd, err)
}

// namePatterns returns the patterns of a value of --sni, with those for the name and all
// under it for one such as .example, as lists have it.
func namePatterns(text string) []string {
	if name, ok := strings.CutPrefix(text, "."); ok && name != "" && !filter.IsPattern(name) && !strings.HasPrefix(name, ".") {
		return []string{name, "*." + name}
	}
	return []string{text}
}

// knownPorts are those of names that people write.
var knownPorts = map[string]string{"https": "443", "http": "80", "imaps": "993", "smtps": "465", "dot": "853", "tls": "443", "quic": "443", "ldaps": "636"}

// parsePort parses a value of --port.
func parsePort(text string) (uint16, error) {
	p, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errors.New("must be at most 65535")
	case err != nil && knownPorts[strings.ToLower(text)] != "":
		return 0, errors.New("must be a number: write " + knownPorts[strings.ToLower(text)])
	case err != nil:
		return 0, errors.New("must be a number, such as 443")
	}
	return uint16(p), nil
}

// fieldError says what may be meant by fields of a flag of which one is none.
func fieldError(flag string, names []string, err error) error {
	for _, name := range names {
		name = strings.TrimSpace(name)
		if _, unknown := output.ColumnOf(name); unknown == nil {
			continue
		}
		if _, isNumber := strconv.Atoi(name); isNumber == nil && flag != "--fields" {
			return fmt.Errorf("%s %s: takes a field; for the number of lines, write %s%sja4 --limit %s", flag, name, flag, separator(flag), name)
		}
		if hint := nearest.Hint(name, output.ColumnNames()); hint != "" {
			return fmt.Errorf("unknown field %q: %s", name, hint)
		}
	}
	return err
}

// separator returns what stands between a flag and its value.
func separator(flag string) string {
	if flag == "--unique" {
		return "="
	}
	return " "
}

// shellHint says how to quote an expression of which the shell seems to have taken the
// quotes away, or what follows a space. paths are the other arguments.
func shellHint(expr string, paths []string, err error) string {
	const hint = `
Has the shell taken quotes away? Write the expression in single quotes: --where 'sni == "a.example"'`
	if strings.Contains(err.Error(), "a text is in quotes") && !strings.ContainsAny(expr, `"'`) {
		return hint
	}
	for _, path := range paths {
		switch path {
		case "==", "!=", "<", ">", "<=", ">=", "&&", "||", "in", "":
			return hint
		}
	}
	return ""
}
