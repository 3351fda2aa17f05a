package fingerprint

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// NormalizeHTTP3 returns an HTTP/3 fingerprint in the order of the wire, or with more
// behind its pseudo-header fields, as [AppendHTTP3] appends it: the settings in the order
// of their ids, those that are GREASE as a word and last, and no other frames. It returns
// any text that is no HTTP/3 fingerprint as it is.
func NormalizeHTTP3(text string) string {
	settings, rest, ok := strings.Cut(text, "|")
	if !ok {
		return text
	}
	pseudo, found := "", false
	for field := range strings.SplitSeq(rest, "|") {
		if pseudo, found = field, isPseudoOrder(field); found {
			break
		}
		if field != "GREASE" && !isDecimalText(field) {
			return text
		}
	}
	if !found {
		return text
	}
	list, ok := parseHTTP3Settings(settings)
	if !ok {
		return text
	}
	slices.SortStableFunc(list, func(a, b http3Setting) int { return cmp.Compare(a.id, b.id) })
	b := make([]byte, 0, len(text))
	b = appendHTTP3Settings(b, list)
	b = append(b, '|')
	return string(append(b, pseudo...))
}

// greaseID stands for a setting that is GREASE, behind all others.
const greaseID = 1<<64 - 1

// parseHTTP3Settings reads the settings of a text. All GREASE has the id greaseID.
func parseHTTP3Settings(text string) (list []http3Setting, ok bool) {
	if text == "" {
		return nil, true
	}
	for setting := range strings.SplitSeq(text, ";") {
		if setting == "GREASE" {
			list = append(list, http3Setting{id: greaseID})
			continue
		}
		idText, valueText, _ := strings.Cut(setting, ":")
		id, err := strconv.ParseUint(idText, 10, 62)
		value, valueErr := strconv.ParseUint(valueText, 10, 62)
		if err != nil || valueErr != nil {
			return nil, false
		}
		if IsGREASEHTTP3(id) {
			id = greaseID
		}
		list = append(list, http3Setting{id, value})
	}
	return list, true
}

// isPseudoOrder reports whether text is an order of pseudo-header fields, by letter.
// None is one, too.
func isPseudoOrder(text string) bool {
	for i := range len(text) {
		if i%2 == 0 && strings.IndexByte("masp", text[i]) < 0 || i%2 == 1 && text[i] != ',' {
			return false
		}
	}
	return len(text) == 0 || len(text)%2 == 1
}

func isDecimalText(text string) bool {
	_, err := strconv.ParseUint(text, 10, 62)
	return err == nil
}
