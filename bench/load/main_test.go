package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/dynobench/dyno/bench/load/loadtest"
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/null"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/http1"
)

// childServer makes the test binary a server: another process, as in truth.
const childServer = "DYNO_LOAD_TEST_SERVER"

func TestMain(m *testing.M) {
	switch os.Getenv(childServer) {
	case "":
	case "null":
		serveNull()
		return
	default:
		serveChild()
		return
	}
	goleak.VerifyTestMain(m)
}

// serveNull serves with the null engine until stdin ends.
func serveNull() {
	engine, err := null.New(engines.NewParams(engines.Spec{Name: "null"}, null.Knobs))
	if err == nil {
		var socket *engines.Socket
		if socket, err = engines.Listen("127.0.0.1:0", engines.SocketOptions{}); err == nil {
			fmt.Println(strings.TrimPrefix(socket.URL("http"), "http://"))
			ctx, stop := context.WithCancel(context.Background())
			go func() {
				io.Copy(io.Discard, os.Stdin)
				stop()
			}()
			err = engine.Serve(ctx, socket, protocol.NewService(nil, http1.Codec{}))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
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
				buf, answer := make([]byte, 4096), []byte(loadtest.Hello)
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
