package proxyproto_test

import (
	"encoding/binary"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dynobench/dyno/protocol/proxyproto"
)

const sig = "\r\n\r\n\x00\r\nQUIT\n"

// v2 is a header of version 2.
func v2(command, family byte, block string) string {
	return sig + string([]byte{command, family, byte(len(block) >> 8), byte(len(block))}) + block
}

const (
	block4 = "\xc0\xa8\x00\x01\xc0\xa8\x00\x0b\xdc\x04\x01\xbb"
	block6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\xff\xff"
	full6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
)

var unix = strings.Repeat("/", 216)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// What the specification calls valid, with what follows left alone.
var valid = []struct {
	name, text string
	want       proxyproto.Header
}{
	{"its example", "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
		proxyproto.Header{Source: addr("192.168.0.1:56324"), Destination: addr("192.168.0.11:443")}},
	{"the longest of TCP4", "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
		proxyproto.Header{Source: addr("255.255.255.255:65535"), Destination: addr("255.255.255.255:65535")}},
	{"the longest of TCP6", "PROXY TCP6 " + full6 + " " + full6 + " 65535 65535\r\n",
		proxyproto.Header{Source: addr("[" + full6 + "]:65535"), Destination: addr("[" + full6 + "]:65535")}},
	{"either case", "PROXY TCP6 2001:DB8::a ::1 0 1\r\n",
		proxyproto.Header{Source: addr("[2001:db8::a]:0"), Destination: addr("[::1]:1")}},
	{"mapped", "PROXY TCP6 ::ffff:10.0.0.1 ::ffff:a00:2 1 2\r\n",
		proxyproto.Header{Source: addr("[::ffff:10.0.0.1]:1"), Destination: addr("[::ffff:10.0.0.2]:2")}},
	{"unknown", "PROXY UNKNOWN\r\n", proxyproto.Header{}},
	{"unknown with more", "PROXY UNKNOWN " + full6 + " " + full6 + " 65535 65535\r\n", proxyproto.Header{}},
	{"unknown with anything", "PROXY UNKNOWN  \x00 TCP4\r\n", proxyproto.Header{}},

	{"2, IPv4", v2(0x21, 0x11, block4), proxyproto.Header{Source: addr("192.168.0.1:56324"), Destination: addr("192.168.0.11:443")}},
	{"2, IPv6", v2(0x21, 0x21, block6), proxyproto.Header{Source: addr("[2001:db8::1]:0"), Destination: addr("[2001:db8::2]:65535")}},
	{"2, with TLVs", v2(0x21, 0x11, block4+"\x04\x00\x02ab\x20\x00\x05\x01\x00\x00\x00\x00"),
		proxyproto.Header{Source: addr("192.168.0.1:56324"), Destination: addr("192.168.0.11:443")}},
	{"2, the most", v2(0x21, 0x11, block4+strings.Repeat("x", proxyproto.MaxBlock-12)),
		proxyproto.Header{Source: addr("192.168.0.1:56324"), Destination: addr("192.168.0.11:443")}},
	{"2, local", v2(0x20, 0x00, ""), proxyproto.Header{}},
	{"2, local with addresses", v2(0x20, 0x11, block4), proxyproto.Header{}},
	{"2, local of any family", v2(0x20, 0xff, "x"), proxyproto.Header{}},
	{"2, unspecified", v2(0x21, 0x00, ""), proxyproto.Header{}},
	{"2, unspecified with more", v2(0x21, 0x00, "abc"), proxyproto.Header{}},
	{"2, unspecified transport", v2(0x21, 0x10, block4), proxyproto.Header{}},
	{"2, UDP", v2(0x21, 0x12, block4), proxyproto.Header{}},
	{"2, UDP over IPv6", v2(0x21, 0x22, block6), proxyproto.Header{}},
	{"2, unix", v2(0x21, 0x31, unix), proxyproto.Header{}},
	{"2, unix datagrams", v2(0x21, 0x32, unix), proxyproto.Header{}},
}

// What it does not, with the byte, counted from 1, that tells; 0 for the last one.
var invalid = []struct {
	name, text string
	at         int
}{
	{"HTTP", "GET / HTTP/1.1\r\n", 1},
	{"TLS", "\x16\x03\x01", 1},
	{"HTTP that begins alike", "PROPFIND / HTTP/1.1\r\n", 4},
	{"an empty line", "\r\nGET", 3},
	{"lower case", "proxy TCP4", 1},
	{"no space", "PROXY\r\n", 6},
	{"nothing else", "PROXY \r\n", 0},
	{"two spaces", "PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", 0},
	{"two spaces later", "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", 0},
	{"a space behind", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", 0},
	{"a tab", "PROXY TCP4\t1.1.1.1 2.2.2.2 1 2\r\n", 0},
	{"another protocol", "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", 0},
	{"UDP4", "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", 0},
	{"UNKNOWN and more", "PROXY UNKNOWNS\r\n", 0},
	{"too few", "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", 0},
	{"too many", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", 0},
	{"leading zero", "PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", 0},
	{"three numbers", "PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", 0},
	{"256", "PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", 0},
	{"IPv6 in TCP4", "PROXY TCP4 ::1 ::1 1 2\r\n", 0},
	{"IPv4 in TCP6", "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", 0},
	{"both", "PROXY TCP6 ::1 2.2.2.2 1 2\r\n", 0},
	{"a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", 0},
	{"brackets", "PROXY TCP6 [::1] ::1 1 2\r\n", 0},
	{"two gaps", "PROXY TCP6 1::2::3 ::1 1 2\r\n", 0},
	{"too many groups", "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n", 0},
	{"five digits", "PROXY TCP6 12345::1 ::1 1 2\r\n", 0},
	{"a name", "PROXY TCP4 localhost 2.2.2.2 1 2\r\n", 0},
	{"port with a zero", "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", 0},
	{"port 65536", "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", 0},
	{"port with a sign", "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", 0},
	{"no port", "PROXY TCP4 1.1.1.1 2.2.2.2  2\r\n", 0},
	{"a bare LF", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nGET / HTTP/1.1\r\n", 31},
	{"a bare CR", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rGET / HTTP/1.1\r\n", 32},
	{"UNKNOWN, a bare LF", "PROXY UNKNOWN x\nGET / HTTP/1.1\r\n", 16},
	{"no end", "PROXY UNKNOWN " + strings.Repeat("x", 200), 107},
	{"an end one byte too late", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", 107},

	{"2, another signature", "\r\n\r\n\x00\r\nQUIT\r", 12},
	{"2, version 1", v2(0x11, 0x11, block4), 16},
	{"2, version 3", v2(0x31, 0x11, block4), 16},
	{"2, another command", v2(0x22, 0x11, block4), 16},
	{"2, another family", v2(0x21, 0x41, block4), 16},
	{"2, another transport", v2(0x21, 0x13, block4), 16},
	{"2, too short for IPv4", v2(0x21, 0x11, block4[:11]), 16},
	{"2, too short for IPv6", v2(0x21, 0x21, block6[:35]), 16},
	{"2, too long", v2(0x21, 0x11, block4+strings.Repeat("x", proxyproto.MaxBlock-11)), 16},
	{"2, local, too long", v2(0x20, 0x00, strings.Repeat("x", proxyproto.MaxBlock+1)), 16},
}

func TestValid(t *testing.T) {
	for _, c := range valid {
		t.Run(c.name, func(t *testing.T) {
			data := []byte(c.text)
			for n := range data {
				if _, size, err := proxyproto.Parse(data[:n]); size != 0 || err != nil {
					t.Fatalf("after %d bytes of %d: size %d, %v", n, len(c.text), size, err)
				}
			}
			for _, rest := range []string{"", "G", "\r\n", c.text} {
				h, size, err := proxyproto.Parse([]byte(c.text + rest))
				if h != c.want || size != len(c.text) || err != nil {
					t.Errorf("%+v, size %d, %v; want %+v, %d", h, size, err, c.want, len(c.text))
				}
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	for _, c := range invalid {
		t.Run(c.name, func(t *testing.T) {
			if c.at == 0 {
				c.at = len(c.text)
			}
			data := []byte(c.text)
			for n := range len(data) + 1 {
				h, size, err := proxyproto.Parse(data[:n])
				if h != (proxyproto.Header{}) || size != 0 || (err != nil) != (n >= c.at) {
					t.Fatalf("after %d bytes: %+v, size %d, %v; want an error from %d on", n, h, size, err, c.at)
				}
			}
		})
	}
}

// FuzzParse compares Parse with a reference that has the header whole, and
// looks at every cut: once there is an outcome it must stay.
func FuzzParse(f *testing.F) {
	for _, c := range valid {
		f.Add([]byte(c.text + "GET"))
	}
	for _, c := range invalid {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, size, err := proxyproto.Parse(data)
		if size < 0 || size > len(data) || err != nil && size != 0 {
			t.Fatalf("size %d of %d, %v", size, len(data), err)
		}
		if want, n := reference(data); n != size || want != h {
			t.Fatalf("%+v, size %d; the reference has %+v, %d", h, size, want, n)
		}
		decided := false
		for n := range min(len(data), 16+proxyproto.MaxBlock) + 1 {
			part, k, bad := proxyproto.Parse(data[:n])
			if now := k != 0 || bad != nil; now {
				decided = true
				if part != h || k != size || bad != err {
					t.Fatalf("%d bytes: %+v, %d, %v; all: %+v, %d, %v", n, part, k, bad, h, size, err)
				}
			} else if decided {
				t.Fatalf("%d bytes: no outcome any more", n)
			}
		}
		if !decided && len(data) >= 16+proxyproto.MaxBlock {
			t.Fatalf("no outcome after %d bytes", len(data))
		}
	})
}

var (
	anyLine = regexp.MustCompile(`^PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP4 (\S+) (\S+) (0|[1-9]\d*) (0|[1-9]\d*)|TCP6 (\S+) (\S+) (0|[1-9]\d*) (0|[1-9]\d*))\r\n`)
	ipv4    = regexp.MustCompile(`^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){3}$`)
)

// reference is the header that data begins with, and its size; 0 if there is none.
func reference(data []byte) (h proxyproto.Header, size int) {
	if m := anyLine.FindSubmatch(data); m != nil && len(m[0]) <= 107 {
		family, words := 4, m[1:5]
		if m[5] != nil {
			family, words = 6, m[5:9]
		} else if m[1] == nil {
			return h, len(m[0])
		}
		var ends [2]netip.AddrPort
		for i := range ends {
			text := string(words[i])
			a, err := netip.ParseAddr(text)
			port, bad := strconv.Atoi(string(words[2+i]))
			if err != nil || bad != nil || port > 65535 || strings.Contains(text, "%") || (family == 4) != ipv4.MatchString(text) {
				return h, 0
			}
			ends[i] = netip.AddrPortFrom(a, uint16(port))
		}
		return proxyproto.Header{Source: ends[0], Destination: ends[1]}, len(m[0])
	}
	if len(data) < 16 || string(data[:12]) != sig || data[12]&^1 != 0x20 {
		return h, 0
	}
	n := int(binary.BigEndian.Uint16(data[14:]))
	if n > proxyproto.MaxBlock || len(data) < 16+n {
		return h, 0
	}
	block := data[16 : 16+n]
	port := func(at int) uint16 { return uint16(block[at])<<8 | uint16(block[at+1]) }
	switch {
	case data[12] == 0x20:
	case data[13] == 0x11 && n >= 12:
		h.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(block)), port(8))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(block[4:])), port(10))
	case data[13] == 0x21 && n >= 36:
		h.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(block)), port(32))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte(block[16:])), port(34))
	case data[13] == 0x11, data[13] == 0x21, data[13]>>4 > 3, data[13]&15 > 2:
		return h, 0
	}
	return h, 16 + n
}
