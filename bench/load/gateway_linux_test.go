package load_test

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/dynobench/dyno/bench/load"
	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/goroutine"
	"github.com/dynobench/dyno/protocol"
	"github.com/dynobench/dyno/protocol/fastcgi"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/protocol/scgi"
	"github.com/dynobench/dyno/protocol/uwsgi"
)

// echo answers with the path and the body.
func echo(env *gateway.Environ, start gateway.StartResponse) gateway.Body {
	body, _ := io.ReadAll(env.Input)
	start(200, nil, nil)
	return gateway.String(env.Path + " " + string(body))
}

// serve runs an engine until the test ends.
func serve(t *testing.T, codec protocol.Codec, listen string) (url string) {
	t.Helper()
	engine := new(goroutine.Engine)
	socket, err := engines.Listen(listen, engines.SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	url = socket.URL(codec.Name())
	svc := protocol.NewService(echo, codec)
	svc.Log = slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- engine.Serve(ctx, socket, svc) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return url
}

// Each gateway protocol, by each generator and transport, over TCP and Unix
// sockets: every answer is right, to the byte, and connections are used as the
// protocol has them.
func TestGateways(t *testing.T) {
	for _, codec := range []protocol.Codec{uwsgi.Codec{}, scgi.Codec{}, fastcgi.Codec{}} {
		for _, listen := range []string{"127.0.0.1:0", "unix:" + filepath.Join(t.TempDir(), codec.Name())} {
			url := serve(t, codec, listen)
			for _, by := range []struct{ generator, transport string }{{"native", "epoll"}, {"native", ""}, {"vegeta", ""}} {
				l := load.MustSee(t, plan.Config{
					URL: url, Generator: by.generator, Transport: by.transport, Connections: 4, Duration: 50 * time.Millisecond, Timeout: 20 * time.Second,
					Requests: []plan.Request{
						{Path: "/a%20b?c", Length: -1, Want: []byte("/a b ")},
						{Path: "/${pick:x}", Method: "POST", Body: []byte("${pick:y}"), Length: -1, Want: []byte("/x y")},
					},
				}, load.Something)
				if l.Requests == 0 || l.Errors.Total() != 0 || by.generator == "native" && l.Fresh != (codec.Name() != "fastcgi") {
					t.Errorf("%s by %v: %d requests, %+v, a connection for each: %v", url, by, l.Requests, l.Errors, l.Fresh)
				}
				if codec.Name() == "fastcgi" && l.Reconnects > 0 {
					t.Errorf("%s by %v: %d reconnects", url, by, l.Reconnects)
				}
			}
		}
	}
}
