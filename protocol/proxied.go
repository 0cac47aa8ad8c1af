package protocol

import (
	"errors"
	"net"
	"net/netip"
	"strconv"

	"github.com/dynobench/dyno/protocol/proxyproto"
)

// This file is what comes before the first request of a connection whose
// Service asks for the PROXY protocol.

var errUnproxied = errors.New("the PROXY header took too long to come")

// unwrap takes the PROXY header from the input, and tells whether there is
// something behind it.
func (s *Session) unwrap() bool {
	w := s.w
	h, size, err := proxyproto.Parse(w.in[w.start:w.end])
	if err != nil {
		s.turnAway(err)
		return false
	}
	if size == 0 {
		return false
	}
	s.client = firstDue
	if h.Source.IsValid() {
		a := new(addresses)
		a.serverName, a.serverPort = addrPort(h.Destination)
		a.local = net.TCPAddrFromAddrPort(h.Destination)
		a.remoteAddr, a.remotePort = addrPort(h.Source)
		s.addresses = a
	}
	if w.start += size; w.start == w.end {
		w.forget()
		s.letGo()
		return false
	}
	return true
}

// turnAway closes a connection without a word: who has not said who it is may
// be anybody, and speak any protocol.
func (s *Session) turnAway(err error) {
	s.svc.Log.Debug("connection refused", "reason", err)
	s.svc.Counters.failed(&s.svc.Counters.BadRequests)
	s.conn = closing
	if s.w != nil {
		s.w.forget()
		s.letGo()
	}
}

// addrPort is hostPort of what a proxy has said.
func addrPort(a netip.AddrPort) (host, port string) {
	return a.Addr().Unmap().String(), strconv.Itoa(int(a.Port()))
}
