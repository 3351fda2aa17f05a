package known

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A release is a line of releases.jsonl: the day on which a version of a browser was
// released, or the versions that have a feature.
type release struct {
	Browser string `json:"browser"`
	Version int    `json:"version"`
	Date    string `json:"date"`

	Feature string `json:"feature"`
	Since   int    `json:"since"` // the first version that has it, or 0
	Until   int    `json:"until"` // the last one, or 0

	Source string `json:"source"` // of the date, or of the versions
}

// readReleases reads lines in the form of releases.jsonl.
func readReleases(text []byte) (list []release, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		var r release
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		for _, o := range list {
			if o.Browser != r.Browser {
				continue
			}
			if r.Feature != "" && o.Feature == r.Feature {
				return nil, fmt.Errorf("line %d: %s of %s has a line", n, r.Feature, r.Browser)
			}
			if r.Version > 0 && o.Version > 0 && (o.Version >= r.Version || o.Date >= r.Date) {
				return nil, fmt.Errorf("line %d: the versions and dates of %s must ascend", n, r.Browser)
			}
		}
		list = append(list, r)
	}
	return list, lines.Err()
}

// check reports what is missing in a line, or too much.
func (r *release) check() error {
	isDate, isFeature := r.Version > 0 && r.Date != "", r.Feature != "" && (r.Since > 0 || r.Until > 0)
	switch {
	case browserNamed(r.Browser) == noBrowser:
		return fmt.Errorf("browser %q is none of Chromium, Firefox, Safari", r.Browser)
	case r.Source == "":
		return fmt.Errorf("no source")
	case isDate && (r.Feature != "" || r.Since != 0 || r.Until != 0),
		isFeature && (r.Version != 0 || r.Date != ""), !isDate && !isFeature:
		return fmt.Errorf("neither version and date alone nor feature with since or until")
	case r.Until > 0 && r.Until < r.Since:
		return fmt.Errorf("until %d is before since %d", r.Until, r.Since)
	case isDate:
		_, err := time.Parse(time.DateOnly, r.Date)
		return err
	}
	return nil
}

// browserNamed returns the browser of a name, or noBrowser.
func browserNamed(name string) browser {
	for b := chromium; b <= safari; b++ {
		if b.name() == name {
			return b
		}
	}
	return noBrowser
}

// TestReleasesGenerated checks that releases_gen.go is generated from releases.jsonl,
// and that each line of a feature has a function in versionFeatures, and the reverse.
// With -update it writes releases_gen.go.
func TestReleasesGenerated(t *testing.T) {
	text, err := os.ReadFile("releases.jsonl")
	require.NoError(t, err)
	list, err := readReleases(text)
	require.NoError(t, err)
	source, err := appendReleases(nil, list)
	require.NoError(t, err)
	source, err = format.Source(source)
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("releases_gen.go", source, 0o644))
		return
	}
	generated, err := os.ReadFile("releases_gen.go")
	require.NoError(t, err)
	assert.Equal(t, string(source), string(generated), "run make generate")
}

// releaseDaysOf returns the days of releases by browser.
func releaseDaysOf(list []release) (days [numBrowsers][]releaseDay) {
	for _, r := range list {
		if t, err := time.Parse(time.DateOnly, r.Date); err == nil {
			b := browserNamed(r.Browser)
			days[b] = append(days[b], releaseDay{r.Version, int(t.Unix() / (24 * 60 * 60))})
		}
	}
	return days
}

// appendReleases appends the lines as Go source, those of features in the order of
// versionFeatures.
func appendReleases(dst []byte, list []release) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	b.WriteString("// Code generated from releases.jsonl by make generate. DO NOT EDIT.\n\npackage known\n\n")
	newest := ""
	features := make(map[string]release)
	for _, r := range list {
		newest = max(newest, r.Date)
		if r.Feature != "" {
			features[r.Browser+": "+r.Feature] = r
		}
	}
	fmt.Fprintf(b, "const releasesDate = %q\n\n", newest)
	days := releaseDaysOf(list)
	b.WriteString("var releaseDays = [numBrowsers][]releaseDay{\n")
	for br := chromium; br <= safari; br++ {
		if len(days[br]) > 0 {
			fmt.Fprintf(b, "%s: {\n", strings.ToLower(br.name()))
			for _, d := range days[br] {
				fmt.Fprintf(b, "{%d, %d}, // %s\n", d.version, d.day, time.Unix(int64(d.day)*24*60*60, 0).UTC().Format(time.DateOnly))
			}
			b.WriteString("},\n")
		}
	}
	b.WriteString("}\n\n")
	b.WriteString("var featureBounds = [len(versionFeatures)]versionBounds{\n")
	for _, f := range versionFeatures {
		name := f.browser.name() + ": " + f.name
		r, ok := features[name]
		if !ok {
			return nil, fmt.Errorf("releases.jsonl has no line of %s", name)
		}
		delete(features, name)
		fmt.Fprintf(b, "{%d, %d}, // %s\n", r.Since, r.Until, name)
	}
	b.WriteString("}\n")
	for name := range features {
		return nil, fmt.Errorf("versionFeatures has no row of %s", name)
	}
	return b.Bytes(), nil
}

// TestReadReleases reads lines that must be refused, so that a mistake in
// releases.jsonl is not generated into code.
func TestReadReleases(t *testing.T) {
	const first = `{"browser":"Firefox","version":100,"date":"2022-05-03","source":"x"}` + "\n"
	for line, want := range map[string]string{
		`{"browser":"Firefox","version":101,"date":"2022-05-31","source":"x"}`:                                                             "",
		`{"browser":"Firefox","feature":"a","since":9,"source":"x"}`:                                                                       "",
		`{"browser":"Chromium","version":99,"date":"2022-03-01","source":"x"}`:                                                             "",
		`{"browser":"Chrome","version":99,"date":"2022-03-01","source":"x"}`:                                                               `browser "Chrome"`,
		`{"browser":"Firefox","version":101,"date":"2022-05-31"}`:                                                                          "no source",
		`{"browser":"Firefox","version":101,"date":"31.5.2022","source":"x"}`:                                                              "cannot parse",
		`{"browser":"Firefox","version":101,"date":"2022-05-03","source":"x"}`:                                                             "must ascend",
		`{"browser":"Firefox","version":99,"date":"2022-06-03","source":"x"}`:                                                              "must ascend",
		`{"browser":"Firefox","feature":"a","source":"x"}`:                                                                                 "neither version",
		`{"browser":"Firefox","version":101,"date":"2022-05-31","feature":"a","source":"x"}`:                                               "neither version",
		`{"browser":"Firefox","version":101,"feature":"a","since":101,"source":"x"}`:                                                       "neither version",
		`{"browser":"Firefox","feature":"a","since":9,"until":8,"source":"x"}`:                                                             "until 8 is before",
		`{"browser":"Firefox","version":101,"date":"2022-05-31","source":"x","feature_name":1}`:                                            "unknown field",
		`{"browser":"Firefox","feature":"a","since":9,"source":"x"}` + "\n" + `{"browser":"Firefox","feature":"a","until":9,"source":"x"}`: "has a line",
	} {
		_, err := readReleases([]byte(first + line + "\n"))
		if want == "" {
			assert.NoError(t, err, line)
		} else {
			assert.ErrorContains(t, err, want, line)
		}
	}
}
