package gauge

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"
)

// patience is how long a server has to tell how it does. One that is too busy
// for that leaves a gap.
const patience = 80 * time.Millisecond

// stats asks a server for its slots: dyno's on one connection, which costs it
// a read and a write; others as uWSGI's stats server is asked, by a connection
// each time.
type stats struct {
	addr  string
	kept  net.Conn // to one that answers GET /slots
	from  *bufio.Reader
	plain bool // it does not
}

func newStats(addr string) *stats { return &stats{addr: addr} }

func (s *stats) close() {
	if s.kept != nil {
		s.kept.Close()
	}
	s.kept = nil
}

// read is how the server does, unless it does not say.
func (s *stats) read() Sample {
	unknown := Sample{Slots: -1, Busy: -1, Queue: -1}
	if s.addr == "" {
		return unknown
	}
	if !s.plain {
		if v, ok := s.ask(); ok {
			return v
		}
	}
	if s.plain {
		if v, ok := s.uwsgi(); ok {
			return v
		}
	}
	return unknown
}

// ask asks for /slots. A server that answers something else is asked plainly
// from now on.
func (s *stats) ask() (v Sample, ok bool) {
	if s.kept == nil {
		c, err := net.DialTimeout("tcp", s.addr, patience)
		if err != nil {
			return v, false
		}
		s.kept, s.from = c, bufio.NewReader(c)
	}
	s.kept.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // reading tells
	if _, err := io.WriteString(s.kept, "GET /slots HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		s.close()
		return v, false
	}
	resp, err := http.ReadResponse(s.from, nil)
	if timeout, is := err.(net.Error); err != nil && (!is || !timeout.Timeout()) {
		s.plain = true
	}
	if err != nil {
		s.close()
		return v, false
	}
	defer resp.Body.Close()
	var told struct {
		Slots, Busy, Queue int64
		Schema             string
	}
	if json.NewDecoder(resp.Body).Decode(&told) != nil || resp.StatusCode != http.StatusOK || told.Schema != "dyno.slots/1" {
		s.plain = true
		s.close()
		return v, false
	}
	io.Copy(io.Discard, resp.Body) //nolint:errcheck // the line's end
	return Sample{Slots: told.Slots, Busy: told.Busy, Queue: told.Queue}, true
}

// uwsgi reads the JSON of uWSGI's stats server: a slot is a core of a worker.
// Its queue is the kernel's, which is read elsewhere.
func (s *stats) uwsgi() (v Sample, ok bool) {
	c, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil {
		return v, false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // reading tells
	if half, is := c.(*net.TCPConn); is {
		half.CloseWrite() //nolint:errcheck // for those that wait for a request
	}
	var told struct {
		Workers []struct {
			Cores []struct {
				InRequest int64 `json:"in_request"`
			}
		}
	}
	if json.NewDecoder(c).Decode(&told) != nil || len(told.Workers) == 0 {
		return v, false
	}
	v.Queue = -1
	for _, w := range told.Workers {
		for _, core := range w.Cores {
			v.Slots++
			v.Busy += core.InRequest
		}
	}
	return v, true
}
