package page

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// registered has the fields whose values have a registry that names all of them.
var registered = map[string]bool{
	"legacy_version": true, "cipher_suite": true, "compression_method": true,
	"extension_type": true, "named_group": true, "group": true,
	"ec_point_format": true, "signature_scheme": true, "protocol_version": true,
	"psk_key_exchange_mode": true, "algorithm": true, "certificate_type": true,
	"status_type": true, "name_type": true, "transport_parameter_id": true,
	"kdf_id": true, "aead_id": true, "mode": true, "srtp_protection_profile": true,
}

// isOld reports whether an RFC says that a value must not be used any more.
func isOld(field string, v uint64, name string) bool {
	switch field {
	case "protocol_version": // RFC 8996 and RFC 7568
		return v == 0x0300 || v == 0x0301 || v == 0x0302 || v == 0xfeff
	case "legacy_version":
		return v == 0x0300 || v == 0x0301 || v == 0x0302 || v == 0xfeff
	case "cipher_suite", "cipher_spec":
		for _, s := range []string{"_NULL_", "EXPORT", "RC4", "RC2", "_DES", "DES_", "3DES", "_IDEA_", "_anon_", "MD5"} {
			if strings.Contains(name, s) {
				return true
			}
		}
	case "signature_scheme": // RFC 9155
		return strings.HasSuffix(name, "_sha1") || strings.HasSuffix(name, "_md5")
	case "compression_method":
		return v != 0
	}
	return false
}

// nameOf returns the name of f's value in its registry, or the value.
func nameOf(f *parser.Field) string {
	switch {
	case f.ValueName != "":
		return f.ValueName
	case f.Note == "GREASE":
		return "GREASE " + leafText(f)
	}
	return leafText(f)
}

// leafText returns the value of a leaf: a number as its RFC writes it, text in
// quotation marks, other bytes in hex.
func leafText(f *parser.Field) string {
	switch v := f.Value.(type) {
	case uint64:
		if registered[f.Name] || f.ValueName != "" {
			return fmt.Sprintf("0x%0*x", 2*len(f.Bytes), v)
		}
		return strconv.FormatUint(v, 10)
	case string:
		return "“" + truncate(v, 4*maxSummary) + "”"
	}
	if len(f.Bytes) <= maxPreview {
		return hex.EncodeToString(f.Bytes)
	}
	return hex.EncodeToString(f.Bytes[:maxPreview]) + "…"
}

// summary returns what f holds, in one line.
func summary(f *parser.Field) string { return truncate(summaryOf(f, maxSummary), maxSummary) }

// summaryOf stops when it has more than room bytes.
func summaryOf(f *parser.Field, room int) string {
	if len(f.Children) == 0 {
		switch {
		case f.Value != nil:
			return nameOf(f)
		case len(f.Bytes) <= 8:
			return hex.EncodeToString(f.Bytes)
		}
		return byteCount(len(f.Bytes))
	}
	separator := ", "
	if !f.List {
		separator = " · "
	}
	var text strings.Builder
	for i := range f.Children {
		c := &f.Children[i]
		if isFraming(c.Name) || f.List && isGREASE(c) {
			continue
		}
		s := summaryOf(c, room)
		if s == "" {
			continue
		}
		if text.Len() > 0 {
			text.WriteString(separator)
		}
		text.WriteString(s)
		if text.Len() > room {
			break
		}
	}
	return text.String()
}

// isGREASE reports whether f is GREASE, or its first part is, which says what f
// is.
func isGREASE(f *parser.Field) bool {
	return f.Note == "GREASE" || len(f.Children) > 0 && f.Children[0].Note == "GREASE"
}

// isFraming reports whether a field serves only to find others.
func isFraming(name string) bool {
	switch name {
	case "length", "msg_type", "extension_type", "transport_parameter_length", "name_type":
		return true
	}
	return false
}

// truncate returns s, or its beginning if it is longer than n bytes.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func byteCount(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return strconv.Itoa(n) + " bytes"
}
