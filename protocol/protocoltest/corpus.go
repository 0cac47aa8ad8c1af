package protocoltest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Case is a stream and what a codec must find in it.
type Case struct {
	Name    string
	Stream  []byte
	Limits  protocol.Limits
	Want    []Request // what is "" is not compared, but for Body
	Status  int       // of the refusal that ends the stream; 0 none
	Partial bool      // the stream ends within a request
	Ends    bool      // the codec ends the connection without an answer of an app's
	Differs string    // why a cross-check sees it otherwise
}

// Load reads the cases of a folder, files named *.http and the like. In such
// a file the beginning of a line tells what it is:
//
//	# text                for the reader
//	> bytes               of the stream; ends of lines are not part of it
//	= METHOD target       the next request found, described by the lines
//	.path .query .host .proto .body bytes, .field Name: value
//	! status              the refusal that ends the stream
//	...                   the stream ends within a request
//	end                   the connection ends without a request, as after a ping
//	% line=n count=n header=n body=n    limits
//	~ text                net/http sees it otherwise, and why that is right
//
// In bytes \r \n \t \\ and \xHH stand for what they do in Go, and \{bytes*n}
// for a repetition.
func Load(folder string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no cases in %s: %v", folder, err)
	}
	var cases []Case
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c := Case{Name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))}
		for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
			if err := c.line(line); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, n+1, err)
			}
		}
		cases = append(cases, c)
	}
	return cases, nil
}

func (c *Case) line(line string) error {
	key, rest, _ := strings.Cut(line, " ")
	value, err := unquote(rest)
	if err != nil {
		return err
	}
	if strings.HasPrefix(key, ".") && key != "..." {
		if len(c.Want) == 0 {
			return fmt.Errorf("%s before a request", key)
		}
		r := &c.Want[len(c.Want)-1]
		switch key {
		case ".path":
			r.Path = value
		case ".query":
			r.Query = value
		case ".host":
			r.Host = value
		case ".proto":
			r.Proto = value
		case ".body":
			r.Body = value
		case ".field":
			name, v, _ := strings.Cut(value, ": ")
			r.Header = append(r.Header, gateway.Field{Name: name, Value: v})
		default:
			return fmt.Errorf("unknown %q", key)
		}
		return nil
	}
	switch key {
	case "#", "":
	case ">":
		c.Stream = append(c.Stream, value...)
	case "=":
		method, target, _ := strings.Cut(value, " ")
		c.Want = append(c.Want, Request{Method: method, Target: target})
	case "!":
		c.Status, err = strconv.Atoi(rest)
		return err
	case "...":
		c.Partial = true
	case "end":
		c.Ends = true
	case "~":
		c.Differs = rest
	case "%":
		for _, setting := range strings.Fields(rest) {
			name, v, _ := strings.Cut(setting, "=")
			n, err := strconv.Atoi(v)
			if err != nil {
				return err
			}
			switch name {
			case "line":
				c.Limits.Line = n
			case "count":
				c.Limits.HeaderCount = n
			case "header":
				c.Limits.HeaderBytes = n
			case "body":
				c.Limits.Body = int64(n)
			default:
				return fmt.Errorf("unknown limit %q", name)
			}
		}
	default:
		return fmt.Errorf("unknown %q", key)
	}
	return nil
}

// unquote undoes the escapes that Load describes.
func unquote(s string) (string, error) {
	var out strings.Builder
	for len(s) > 0 {
		if s[0] != '\\' {
			out.WriteByte(s[0])
			s = s[1:]
			continue
		}
		if strings.HasPrefix(s, `\{`) {
			end := strings.IndexByte(s, '}')
			star := strings.LastIndexByte(s[:max(end, 0)], '*')
			if star < 0 {
				return "", fmt.Errorf(`%q: want \{bytes*n}`, s)
			}
			n, err := strconv.Atoi(s[star+1 : end])
			if err != nil {
				return "", err
			}
			unit, err := unquote(s[2:star])
			if err != nil {
				return "", err
			}
			out.Write(bytes.Repeat([]byte(unit), n))
			s = s[end+1:]
			continue
		}
		b, _, tail, err := strconv.UnquoteChar(s, 0)
		if err != nil {
			return "", fmt.Errorf("%q: %w", s, err)
		}
		out.WriteByte(byte(b))
		s = tail
	}
	return out.String(), nil
}
