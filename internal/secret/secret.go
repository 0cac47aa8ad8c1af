// Package secret masks what command lines, environments and requests hold that
// should not be in a report: values of variables, credentials of requests,
// what a flag calls a password. Names stay, so that a reader sees what there
// was, and a command line can be completed by whoever has the values.
package secret

import (
	"regexp"
	"strings"
)

// Mask stands for a value that is not told.
const Mask = "***"

var (
	// header is a field of a request that carries credentials, to the end of
	// its line or its quotes.
	header = regexp.MustCompile(`(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]*(?:key|token|secret|auth)[a-z-]*|api-key)(["']?\s*:\s*)[^"'\n]+`)
	// userinfo is what stands before the host of a URL.
	userinfo = regexp.MustCompile(`(://[^/\s:@'"]*):[^/\s@'"]+@`)
	// named is a value whose name says that it is secret: of a flag, a query, a setting.
	named = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|signature)[a-z0-9_.-]*=)('[^']*'|"[^"]*"|[^&\s'"]+)`)
	// variable is an assignment, as a shell has them before a command.
	variable = regexp.MustCompile(`(^|[\s=])([A-Z_][A-Z0-9_]*)=('[^']*'|"[^"]*"|\S+)`)
	// spaced is a flag within a text, with its value behind a blank.
	spaced = regexp.MustCompile(`(?i)((?:^|\s)--?[a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|credential)[a-z0-9_-]*\s+)('[^']*'|"[^"]*"|[^-\s'"]\S*)`)
	// flag is one whose value is the next word.
	flag = regexp.MustCompile(`(?i)^--?[a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|credential)[a-z0-9_-]*$`)
	// template is a value that dyno fills in.
	template = regexp.MustCompile(`^(\{[a-z_]+\}[:/]?)+$`)
	// known are variables of the runtime, which everybody may know and which
	// change what is measured.
	known = regexp.MustCompile(`^(GO[A-Z]*|PYTHON[A-Z]*|LC_[A-Z]+|LANG)$`)
)

// Header tells whether a request's field carries credentials.
func Header(name string) bool { return header.MatchString(name + ": x") }

// Value is what may be told of the variable name.
func Value(name, value string) string {
	if value == "" || known.MatchString(name) || template.MatchString(value) {
		return value
	}
	return Mask
}

// Text masks what is secret in a text.
func Text(s string) string {
	s = header.ReplaceAllString(s, "$1$2"+Mask)
	s = userinfo.ReplaceAllString(s, "$1:"+Mask+"@")
	s = spaced.ReplaceAllString(s, "$1"+Mask)
	return named.ReplaceAllString(s, "$1"+Mask)
}

// Words masks what is secret in a command line.
func Words(words []string) []string {
	if words == nil {
		return nil
	}
	all := make([]string, len(words))
	for i, w := range words {
		if i > 0 && flag.MatchString(words[i-1]) && !strings.HasPrefix(w, "-") {
			all[i] = Mask
			continue
		}
		w = variable.ReplaceAllStringFunc(w, func(assignment string) string {
			m := variable.FindStringSubmatch(assignment)
			return m[1] + m[2] + "=" + Value(m[2], m[3])
		})
		all[i] = Text(w)
	}
	return all
}

// Masked tells whether something in the words has been masked.
func Masked(words ...string) bool { return strings.Contains(strings.Join(words, " "), Mask) }
