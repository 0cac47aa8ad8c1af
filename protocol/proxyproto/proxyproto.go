// Package proxyproto reads the header by which a proxy that forwards bytes (HAProxy,
// nginx's stream module, the load balancers of clouds) tells whom it forwards
// them for: the PROXY protocol, versions 1 and 2, of HAProxy's
// proxy-protocol.txt. It does no I/O and knows no connection: package protocol
// has it stand before a connection's requests.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// Header is what a proxy says of a connection. Both are the zero AddrPort where
// it says nothing that a server of TCP could use, and the addresses of the
// connection itself hold: LOCAL (a health check), UNKNOWN, UDP, unix sockets.
type Header struct {
	Source, Destination netip.AddrPort
}

// The bounds on what a client can make a server hold before it has said who it
// is.
const (
	MaxLine  = 107     // bytes of version 1's line with its CRLF; the specification's own
	MaxBlock = 4 << 10 // bytes of version 2's addresses and TLVs; it may say 64 KiB, those in use are a few hundred
)

// Why a header is none.
var (
	errNone      = errors.New("proxy: no PROXY header where each connection must begin with one")
	errLine      = errors.New("proxy: malformed PROXY line")
	errEndless   = errors.New("proxy: a PROXY line of more than 107 bytes")
	errVersion   = errors.New("proxy: a version other than 2 in a binary PROXY header")
	errCommand   = errors.New("proxy: a command other than LOCAL and PROXY")
	errFamily    = errors.New("proxy: an unknown address family or transport")
	errShort     = errors.New("proxy: a PROXY header too short for its addresses")
	errOversized = errors.New("proxy: more than 4096 bytes of addresses and TLVs in a PROXY header")
)

const (
	line      = "PROXY "
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	fixed     = len(signature) + 4 // bytes of version 2 before the addresses
)

// Parse looks at data, all that has come since the connection's first byte, and
// returns the header with its size: what follows belongs to the protocol behind
// it. A size of 0 without an error means that more has to come. Whatever the
// pieces in which the bytes come, the outcome is the same; what cannot become a
// header is not waited for.
//
// TLVs are skipped, the checksum among them.
func Parse(data []byte) (h Header, size int, err error) {
	switch {
	case begins(data, line):
		return parseLine(data)
	case begins(data, signature):
		return parseBinary(data)
	}
	return Header{}, 0, errNone
}

// begins tells whether data begins with prefix, or may yet.
func begins(data []byte, prefix string) bool {
	n := min(len(data), len(prefix))
	return string(data[:n]) == prefix[:n]
}

func parseLine(data []byte) (h Header, size int, err error) {
	data = data[:min(len(data), MaxLine)]
	end := bytes.IndexAny(data, "\r\n")
	switch {
	case end >= 0 && data[end] == '\n':
		return Header{}, 0, errLine
	case end >= 0 && end+1 < len(data):
		if data[end+1] != '\n' {
			return Header{}, 0, errLine
		}
	case len(data) == MaxLine:
		return Header{}, 0, errEndless
	default:
		return Header{}, 0, nil
	}
	size = end + 2
	words := strings.Split(string(data[len(line):end]), " ")
	if words[0] == "UNKNOWN" {
		return Header{}, size, nil // with whatever is behind it
	}
	if len(words) != 5 || words[0] != "TCP4" && words[0] != "TCP6" {
		return Header{}, 0, errLine
	}
	for i, to := range []*netip.AddrPort{&h.Source, &h.Destination} {
		// In IPv6 this takes the last 32 bits as an IPv4 address, too, as
		// proxies write those that are mapped.
		addr, err := netip.ParseAddr(words[1+i])
		if err != nil || addr.Zone() != "" || addr.Is4() != (words[0] == "TCP4") {
			return Header{}, 0, errLine
		}
		text := words[3+i]
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || len(text) > 1 && text[0] == '0' {
			return Header{}, 0, errLine
		}
		*to = netip.AddrPortFrom(addr, uint16(port))
	}
	return h, size, nil
}

// parseBinary reads version 2: the signature, version and command, family and
// transport, and the length of the addresses and TLVs that follow.
func parseBinary(data []byte) (h Header, size int, err error) {
	if len(data) < fixed {
		return Header{}, 0, nil
	}
	command, family := data[fixed-4], data[fixed-3]
	length := int(binary.BigEndian.Uint16(data[fixed-2:]))
	address := 0 // bytes of one
	switch {
	case command>>4 != 2:
		return Header{}, 0, errVersion
	case command&15 > 1:
		return Header{}, 0, errCommand
	case length > MaxBlock:
		return Header{}, 0, errOversized
	case command&15 == 0: // LOCAL: whatever follows is ignored
	case family>>4 > 3 || family&15 > 2:
		return Header{}, 0, errFamily
	case family == 0x11: // TCP over IPv4
		address = 4
	case family == 0x21: // TCP over IPv6
		address = 16
	}
	if address > 0 && length < 2*(address+2) {
		return Header{}, 0, errShort
	}
	size = fixed + length
	if len(data) < size {
		return Header{}, 0, nil
	}
	if address > 0 {
		block := data[fixed:]
		h.Source = addrPort(block[:address], block[2*address:])
		h.Destination = addrPort(block[address:2*address], block[2*address+2:])
	}
	return h, size, nil
}

func addrPort(addr, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(addr)
	return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
}
