package cgi

import "bytes"

// key is a variable that the gateway has a field for, or that decides one.
type key uint8

const (
	other key = iota // any other one
	method
	scriptName
	pathInfo
	queryString
	uri
	proto
	host
	serverName
	serverPort
	remoteAddr
	remotePort
	contentType
	contentLength
	https
	requestScheme
	uwsgiScheme
	scgi
	dropped // the gateway says it itself, or nobody should
	keyCount
)

// fieldNames are the names of header fields that are not HTTP_ variables, or
// are fields of the Environ too.
var fieldNames = [keyCount]string{
	host: "Host", contentType: "Content-Type", contentLength: "Content-Length",
}

const prefix = "HTTP_"

// keyOf looks a name up. Most are header fields: one comparison.
func keyOf(name []byte) key {
	if bytes.HasPrefix(name, []byte(prefix)) {
		switch string(name) {
		case "HTTP_HOST":
			return host
		case "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH": // come without HTTP_ too; there must not be two truths
			return dropped
		}
		return other
	}
	switch string(name) {
	case "REQUEST_METHOD":
		return method
	case "SCRIPT_NAME":
		return scriptName
	case "PATH_INFO":
		return pathInfo
	case "QUERY_STRING":
		return queryString
	case "REQUEST_URI":
		return uri
	case "SERVER_PROTOCOL":
		return proto
	case "SERVER_NAME":
		return serverName
	case "SERVER_PORT":
		return serverPort
	case "REMOTE_ADDR":
		return remoteAddr
	case "REMOTE_PORT":
		return remotePort
	case "CONTENT_TYPE":
		return contentType
	case "CONTENT_LENGTH":
		return contentLength
	case "HTTPS":
		return https
	case "REQUEST_SCHEME":
		return requestScheme
	case "UWSGI_SCHEME":
		return uwsgiScheme
	case "SCGI":
		return scgi
	case "GATEWAY_INTERFACE":
		return dropped
	}
	return other
}

// toField turns HTTP_X_FOO into HTTP_X-Foo in place, so that a header field's
// name needs no memory, and tells whether name was such a one. Another one, in
// small letters or with a dash, is no variable that CGI makes of a field, and
// must not be taken for one.
func toField(name []byte) bool {
	if len(name) <= len(prefix) || !bytes.HasPrefix(name, []byte(prefix)) {
		return false
	}
	b := name[len(prefix):]
	for _, c := range b {
		if !fieldBytes[c] {
			return false
		}
	}
	inWord := false
	for i, c := range b {
		switch {
		case c == '_':
			b[i] = '-'
		case inWord && 'A' <= c && c <= 'Z':
			b[i] = c + 'a' - 'A'
		}
		inWord = c != '_'
	}
	return true
}

var (
	fieldBytes = table("_!#$%&'*+.^`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") // of a token, in capitals, "-" as "_"
	tokens     = table("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
)

func table(of string) (t [256]bool) {
	for _, b := range []byte(of) {
		t[b] = true
	}
	return t
}

func isToken(b []byte) bool {
	for _, c := range b {
		if !tokens[c] {
			return false
		}
	}
	return len(b) > 0
}

// forbidden tells whether a header field's value has what none may have.
func forbidden(b []byte) bool {
	return bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 || bytes.IndexByte(b, 0) >= 0
}
