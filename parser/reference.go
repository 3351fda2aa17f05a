package parser

import (
	"path"
	"strings"
)

// A Reference names the document that defines something, and the place in it.
type Reference struct {
	// Document is "RFC 8446", the name of an Internet-Draft such as
	// "draft-vvv-tls-alps", or "BoringSSL" for what only its source defines.
	Document string

	// Section is "4.2.8", "E.2" for a section of an appendix, or a file of
	// BoringSSL's source. It may be empty for a draft.
	Section string
}

// boringSSL is the Document of what only the source of BoringSSL defines.
const boringSSL = "BoringSSL"

// Text returns a citation: "RFC 8446 §4.2.8", "vvv-tls-alps" without the
// section, which differs between the revisions of a draft, or "BoringSSL
// tls1.h". It is empty for the zero Reference.
func (r Reference) Text() string {
	draft, isDraft := strings.CutPrefix(r.Document, "draft-")
	switch {
	case isDraft:
		return draft
	case r.Document == boringSSL:
		return boringSSL + " " + path.Base(r.Section)
	case r.Section == "":
		return r.Document
	}
	return r.Document + " §" + r.Section
}

// URL returns where the document can be read, at the section for an RFC. It is
// empty for the zero Reference.
func (r Reference) URL() string {
	number, isRFC := strings.CutPrefix(r.Document, "RFC ")
	switch {
	case r.Document == "":
		return ""
	case r.Document == boringSSL:
		return "https://boringssl.googlesource.com/boringssl/+/HEAD/" + r.Section
	case !isRFC:
		return "https://datatracker.ietf.org/doc/html/" + r.Document
	}
	url := "https://www.rfc-editor.org/rfc/rfc" + number + ".html"
	switch {
	case r.Section == "":
		return url
	case r.Section[0] > '9':
		return url + "#appendix-" + r.Section
	}
	return url + "#section-" + r.Section
}
