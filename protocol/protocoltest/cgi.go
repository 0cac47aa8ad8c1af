package protocoltest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// Variables are a request as a web server tells it in CGI variables. The first
// is CONTENT_LENGTH, and SCGI is among them.
func Variables(r Request) [][2]string {
	path, query, _ := strings.Cut(r.Target, "?")
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	vars := [][2]string{
		{"CONTENT_LENGTH", strconv.Itoa(len(r.Body))}, {"SCGI", "1"},
		{"REQUEST_METHOD", r.Method}, {"REQUEST_URI", r.Target}, {"PATH_INFO", path}, {"QUERY_STRING", query},
		{"SERVER_PROTOCOL", "HTTP/1.1"}, {"SERVER_NAME", "front"}, {"SERVER_PORT", "80"}, {"REMOTE_ADDR", "192.0.2.1"},
		{"HTTP_HOST", r.Host},
	}
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, "Content-Type") {
			vars = append(vars, [2]string{"CONTENT_TYPE", f.Value})
			continue
		}
		vars = append(vars, [2]string{"HTTP_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")), f.Value})
	}
	return vars
}

// DecodeCGI is a Client's Decode for answers that begin with an HTTP status
// line or, as CGI's do, with a field Status. They end with their
// Content-Length, or with the connection.
func DecodeCGI(method string, b []byte, closed bool) (Response, []byte, error) {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return Response{}, nil, io.ErrUnexpectedEOF
	}
	line, rest, _ := bytes.Cut(append(head, "\r\n\r\n"...), []byte("\r\n"))
	status, ok := bytes.CutPrefix(line, []byte("Status: "))
	if !ok {
		status, ok = bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	}
	if !ok || len(status) < 4 || status[3] != ' ' {
		return Response{}, nil, fmt.Errorf("the answer begins with %q", line)
	}
	var r Response
	var err error
	if r.Status, err = strconv.Atoi(string(status[:3])); err != nil {
		return r, nil, err
	}
	fields, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(rest))).ReadMIMEHeader()
	if err != nil {
		return r, nil, err
	}
	length := fields.Get("Content-Length")
	switch {
	case method == http.MethodHead || r.Status == http.StatusNoContent || r.Status == http.StatusNotModified:
		return r, body, nil
	case length == "":
		if r.Body = string(body); !closed {
			err = io.ErrUnexpectedEOF
		}
		return r, nil, err
	}
	n, err := strconv.Atoi(length)
	if err == nil && len(fields["Content-Length"]) > 1 {
		err = errors.New("two lengths")
	}
	if err == nil && n > len(body) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return r, nil, err
	}
	r.Body = string(body[:n])
	return r, body[n:], nil
}
