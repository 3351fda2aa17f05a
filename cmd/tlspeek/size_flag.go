package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A sizeFlag is the value of a flag: a number of bytes, such as 64MiB.
type sizeFlag int64

// sizeUnits are the units that a size is written with. Each has another form without
// "iB".
var sizeUnits = [...]struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// Set implements pflag.Value.
func (f *sizeFlag) Set(s string) error {
	number, unit := strings.TrimSpace(s), int64(1)
	for _, u := range sizeUnits {
		for _, name := range []string{u.name, u.name[:1]} {
			if end := len(number) - len(name); unit == 1 && end > 0 && strings.EqualFold(number[end:], name) {
				number, unit = strings.TrimSpace(number[:end]), u.bytes
			}
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > math.MaxInt64/uint64(unit):
		return errors.New("is too large")
	case err != nil:
		return errors.New("is not a size such as 64MiB, 512KiB or 1048576")
	}
	*f = sizeFlag(int64(n) * unit)
	return nil
}

// String implements pflag.Value.
func (f *sizeFlag) String() string {
	for _, u := range sizeUnits {
		if n := int64(*f); n > 0 && n%u.bytes == 0 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(int64(*f), 10)
}

// Type implements pflag.Value.
func (f *sizeFlag) Type() string { return "size" }
