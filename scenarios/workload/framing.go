package workload

import (
	"fmt"
	"strconv"
	"strings"
)

// Framed tells whether a header field of that name says where a body ends. The
// generator writes Content-Length unless the request has such a field of its
// own, which Framing holds against the body.
func Framed(name string) bool { return isLength(name) || isCoding(name) }

func isLength(name string) bool { return strings.EqualFold(name, "Content-Length") }
func isCoding(name string) bool { return strings.EqualFold(name, "Transfer-Encoding") }

// Framing holds the field called name, if it frames the body, against the body:
// of a request that ends elsewhere than it says, the rest would be read as the
// next one, or the server would wait for it, and no answer could be told to the
// request that it is for (RFC 9112 section 6).
//
// framed is the name of a field before it that frames the body, or empty.
func Framing(framed, name string, value, body Template) error {
	if !Framed(name) {
		return nil
	}
	if framed != "" {
		return fmt.Errorf("%s beside %s: one field says where the body ends; leave one out", name, framed)
	}
	says, ok := value.Fixed()
	text, fixed := body.Fixed()
	if !ok || !fixed {
		return fmt.Errorf("%s with placeholders in it or in the body: leave it out, the generator writes Content-Length", name)
	}
	if isCoding(name) {
		_, err := Chunks(says, text)
		return err
	}
	if says != strconv.Itoa(len(text)) {
		return fmt.Errorf("%s is %q, but the body has %d bytes; leave it out, the generator writes it", name, says, len(text))
	}
	return nil
}

// Chunks returns what is in the chunks of body, whose Transfer-Encoding is
// coding.
func Chunks(coding, body string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", fmt.Errorf("Transfer-Encoding: %s; write a body as 5\\r\\nhello\\r\\n0\\r\\n\\r\\n, or leave the field out", fmt.Sprintf(format, args...))
	}
	if !strings.EqualFold(coding, "chunked") { // RFC 9112 section 7.4 lets a server refuse all others
		return bad("%q is not chunked", coding)
	}
	var content strings.Builder
	rest := body
	for {
		line, after, ok := strings.Cut(rest, "\r\n")
		digits, _, _ := strings.Cut(line, ";")
		size, err := strconv.ParseUint(strings.TrimRight(digits, " \t"), 16, 31)
		if !ok || err != nil {
			return bad("no size of a chunk at byte %d of the body", len(body)-len(rest))
		}
		if rest = after; size == 0 {
			break
		}
		if uint64(len(rest)) < size+2 || rest[size:size+2] != "\r\n" {
			return bad("the chunk at byte %d of the body does not end after its %d bytes", len(body)-len(rest), size)
		}
		content.WriteString(rest[:size])
		rest = rest[size+2:]
	}
	for { // trailer fields
		line, after, ok := strings.Cut(rest, "\r\n")
		switch {
		case !ok:
			return bad("no empty line behind the last chunk")
		case line == "" && after != "":
			return bad("%d bytes of body behind its end", len(after))
		case line == "":
			return content.String(), nil
		}
		rest = after
	}
}
