package http1

import "bytes"

// What a chunked body may carry besides its bytes.
const (
	maxChunkLine = 1 << 10  // bytes of the line with a chunk's size
	maxOverhead  = 16 << 10 // bytes of extensions, less what is usual
)

// chunks is where a chunked body stands.
type chunks struct {
	left     int64 // of the chunk that is being received
	overhead int   // of the lines with sizes, see maxOverhead
	trailers int   // fields
	trailAt  int   // bytes of trailer section seen in lines that are gone
}

// receive goes on with the body. The bytes behind what it returns do not
// count any more; when the body is complete they are the next request's.
func (c *conn) receive(data []byte) (int, error) {
	if c.step == fixedBody {
		have := int64(len(data) - c.body.from)
		if have >= c.length {
			c.body.to = c.body.from + int(c.length)
			c.step = complete
			return c.body.to, nil
		}
		c.body.to = len(data)
		return len(data), nil
	}
	for c.step != complete {
		again, err := c.chunk(data)
		if err != nil {
			return 0, err
		}
		if !again {
			return c.drawTogether(data), nil
		}
	}
	return c.line, nil
}

// drawTogether closes the gap between the body decoded so far and what has
// not been understood yet, less than a line, so that the encoding of a body
// takes no memory.
func (c *conn) drawTogether(data []byte) int {
	gap := c.line - c.body.to
	if gap == 0 {
		return len(data)
	}
	n := c.body.to + copy(data[c.body.to:], data[c.line:])
	c.line -= gap
	c.scan = max(c.scan-gap, c.line)
	return n
}

// chunk takes the next line or piece of a chunked body, and tells whether
// there may be another one in data.
func (c *conn) chunk(data []byte) (again bool, err error) {
	switch c.step {
	case chunkData:
		n := int(min(int64(len(data)-c.line), c.chunks.left))
		if c.line != c.body.to {
			copy(data[c.body.to:], data[c.line:c.line+n])
		}
		c.body.to += n
		c.line += n
		c.scan = c.line
		c.chunks.left -= int64(n)
		if c.chunks.left > 0 {
			return false, nil
		}
		c.step = chunkEnd
		return true, nil

	case chunkEnd:
		have := data[c.line:]
		if len(have) > 0 && have[0] != '\r' || len(have) > 1 && have[1] != '\n' {
			return false, errChunk
		}
		if len(have) < 2 {
			return false, nil
		}
		c.line += 2
		c.scan = c.line
		c.step = chunkSize
		return true, nil
	}

	i := bytes.IndexByte(data[c.scan:], '\n')
	end := c.scan + i
	if i < 0 {
		end = len(data)
		c.scan = end
	}
	if c.step == chunkSize && end-c.line > maxChunkLine {
		return false, errExtensions
	}
	if c.step == trailerField && c.chunks.trailAt+end-c.line >= c.limits.MaxHeaderBytes() {
		return false, errHeaderTooBig
	}
	if i < 0 {
		return false, nil
	}
	if end == c.line || data[end-1] != '\r' {
		return false, errLineEnd
	}
	line := span{c.line, end - 1}
	c.line, c.scan = end+1, end+1
	if c.step == chunkSize {
		return true, c.size(line.of(data))
	}
	c.chunks.trailAt += c.line - line.from
	if line.from == line.to {
		c.step = complete
		return true, nil
	}
	// Trailers are checked and dropped: merging them into the header is how
	// a field gets past whoever looked at the header only (RFC 9110, 6.5.1).
	if _, err := checkField(line.of(data)); err != nil {
		return false, err
	}
	if c.chunks.trailers++; c.chunks.trailers > c.limits.MaxHeaderCount() {
		return false, errFieldCount
	}
	return true, nil
}

// size takes the line before a chunk.
//
//	chunk-size [ chunk-ext ]
func (c *conn) size(line []byte) error {
	n, i := parseHex(line)
	if i == 0 {
		return errChunk
	}
	ext := line[i:]
	for len(ext) > 0 && isBlank(ext[0]) {
		ext = ext[1:]
	}
	if len(ext) > 0 && (ext[0] != ';' || !validValue(ext)) || len(ext) == 0 && i < len(line) {
		return errChunk
	}
	if n < 0 || n > c.limits.MaxBody()-int64(c.body.to-c.body.from) {
		return errBodyTooLong
	}
	// A sender has some 16 bytes per chunk and half of what it sends for
	// extensions; what exceeds that adds up.
	c.chunks.overhead += len(line)
	if c.chunks.overhead > maxOverhead+16 && int64(c.chunks.overhead) > maxOverhead+16+n/2 {
		return errExtensions
	}
	c.chunks.overhead = int(max(int64(c.chunks.overhead)-16-n/2, 0))
	c.chunks.left = n
	c.step = chunkData
	if n == 0 {
		c.step = trailerField
	}
	return nil
}
