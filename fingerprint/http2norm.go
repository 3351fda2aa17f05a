package fingerprint

import (
	"strconv"
	"strings"
)

// IsGREASESetting reports whether an HTTP/2 client may send the setting id as GREASE.
// Chromium draws both of the digits in 0x?a?a, unlike those of TLS.
func IsGREASESetting(id uint16) bool { return id&0x0f0f == 0x0a0a }

// NormalizeHTTP2 returns an HTTP/2 fingerprint in Akamai's format without the settings
// that are GREASE, whose ids and values differ on each connection: also where a tool has
// the word in their place, or has left out the id. It returns any other text as it is.
func NormalizeHTTP2(text string) string {
	settings, rest, ok := strings.Cut(text, "|")
	if !ok || !hasGREASESetting(settings) {
		return text
	}
	b := make([]byte, 0, len(text))
	for setting := range strings.SplitSeq(settings, ";") {
		if isGREASESettingText(setting) {
			continue
		}
		if len(b) > 0 {
			b = append(b, ';')
		}
		b = append(b, setting...)
	}
	b = append(b, '|')
	return string(append(b, rest...))
}

func hasGREASESetting(settings string) bool {
	for setting := range strings.SplitSeq(settings, ";") {
		if isGREASESettingText(setting) {
			return true
		}
	}
	return false
}

// isGREASESettingText reports whether a setting of the format, an id and a value, is
// GREASE.
func isGREASESettingText(setting string) bool {
	id, _, ok := strings.Cut(setting, ":")
	if ok && id == "" || setting == "GREASE" {
		return true
	}
	n, err := strconv.ParseUint(id, 10, 16)
	return err == nil && IsGREASESetting(uint16(n))
}
