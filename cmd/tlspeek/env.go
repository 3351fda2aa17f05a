package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// fromEnvironment sets flags from the environment, such as --hello-json from
// TLSPEEK_HELLO_JSON. Flags on the command line take precedence. The error has an
// error for each variable that cannot be used, as errors.Join returns it.
func fromEnvironment(flags *pflag.FlagSet) error {
	var failed []error
	flags.VisitAll(func(f *pflag.Flag) {
		name := variable(f.Name)
		value, ok := os.LookupEnv(name)
		if !ok || f.Changed {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			switch f.Value.Type() {
			case "bool":
				err = fmt.Errorf("%w: write true or false", err)
			case "duration":
				err = fmt.Errorf("%w: write a time such as 5s", err)
			}
			failed = append(failed, fmt.Errorf("%s: %w", name, err))
			if _, list := f.Value.(pflag.SliceValue); !list {
				_ = f.Value.Set(f.DefValue) // a value that does not parse is 0 now
			}
		}
	})
	return errors.Join(failed...)
}

// variable returns the environment variable of a flag.
func variable(flag string) string {
	return "TLSPEEK_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
