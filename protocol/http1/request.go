package http1

import "strconv"

// AppendRequest appends a request as a client sends it. It is formatted
// exactly as asked: what is not valid HTTP is sent nevertheless, for those who
// test servers.
//
// Host is added unless header has one, Content-Length if there is a body, or
// the method is POST, PUT or PATCH, unless header has it or Transfer-Encoding;
// with the latter the caller has framed body already.
func AppendRequest(dst []byte, method, target, host string, header [][2]string, body []byte) []byte {
	hasHost, framed := false, false
	for _, f := range header {
		hasHost = hasHost || equalFold(f[0], "host")
		framed = framed || equalFold(f[0], "content-length") || equalFold(f[0], "transfer-encoding")
	}
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	if !hasHost {
		dst = appendField(dst, "Host", host)
	}
	for _, f := range header {
		dst = appendField(dst, f[0], f[1])
	}
	if !framed && (len(body) > 0 || method == "POST" || method == "PUT" || method == "PATCH") {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(body)), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, body...)
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}
