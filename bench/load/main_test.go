package load

import (
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// childServer makes the test binary a server: the benchmark's other process.
const childServer = "DYNO_LOAD_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(childServer) != "" {
		serveChild()
		return
	}
	goleak.VerifyTestMain(m)
}

// serveChild serves hello as cheaply as package net can until stdin ends.
func serveChild() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf, answer := make([]byte, 4096), []byte(hello)
				for { // a client that has one request outstanding
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	io.Copy(io.Discard, os.Stdin)
	l.Close()
}
