package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/dynobench/dyno/bench/measure"
	"github.com/dynobench/dyno/bench/meter"
	"github.com/dynobench/dyno/bench/target"
)

// ownServer makes this program a server: its value is http or https.
const ownServer = "DYNO_FIGURES_SERVER"

const httpsRounds = 7

// httpsFigures are what TLS costs the generator, beside vegeta, which shares
// crypto/tls with it, and others.
func httpsFigures(ctx context.Context, dyno string, f *figures) error {
	dir, err := os.MkdirTemp("", "dyno-figures-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	clear, err := openOwn(ctx, dyno, "http")
	if err != nil {
		return err
	}
	defer clear.close(ctx)
	sealed, err := openOwn(ctx, dyno, "https")
	if err != nil {
		return err
	}
	defer sealed.close(ctx)

	type asked struct {
		client
		*site
	}
	all := []asked{
		{dynoClient(dyno, "dyno", "--insecure"), sealed},
		{dynoClient(dyno, "dyno-epoll", "--insecure", "--transport", "epoll"), sealed},
		{dynoClient(dyno, "dyno's vegeta", "--insecure", "--generator", "vegeta"), sealed},
		{dynoClient(dyno, "dyno by http"), clear},
	}
	for _, c := range peers(ctx, dir) {
		if c.name == "vegeta" {
			argv := c.argv
			c.argv = func(url string, d time.Duration) []string { return append(argv(url, d), "-insecure") }
		}
		all = append(all, asked{c, sealed})
	}
	fmt.Printf("closed loop of 64 connections, one thread, TLS 1.3, against a goroutine per connection, %d rounds of %v each; CPU of the process from start to end\n", httpsRounds, asking)
	var seen []map[string]ask
	for i := range httpsRounds {
		round := map[string]ask{}
		for j := range all {
			c := all[(i+j)%len(all)]
			a, err := c.ask(ctx, dir, c.client)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				fmt.Printf("  %s: %v\n", c.name, err)
				continue
			}
			round[c.name] = a
		}
		seen = append(seen, round)
	}
	cpu := func(a ask) float64 { return a.cpu }
	for _, c := range all {
		note(c.name+": CPU per request, µs", values(seen, c.name, cpu))
		note("  requests/s", values(seen, c.name, func(a ask) float64 { return a.rate }))
	}
	f.say("CPU per request of https: dyno / vegeta", ratios(seen, "dyno", "vegeta", cpu), true, 0.5)
	f.say("CPU per request of https: dyno / dyno's vegeta", ratios(seen, "dyno", "dyno's vegeta", cpu), true, 0.5)
	for _, peer := range []string{"wrk", "h2load", "dyno by http"} {
		note("CPU per request: dyno / "+peer, ratios(seen, "dyno", peer, cpu))
	}
	return nil
}

// openOwn is open with this program as the server.
func openOwn(ctx context.Context, dyno, scheme string) (*site, error) {
	cpus, err := measure.ChooseCPUs(nil, nil)
	if err != nil {
		return nil, err
	}
	if cpus.Shared() {
		return nil, errors.New("server and generator need a CPU each, and there is one")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cpus.Server, cpus.Generator = cpus.Server[:1], cpus.Generator[:1]
	server, addr, err := target.Launch(ctx, target.Recipe{
		Command: func(addr string) (target.Command, error) {
			return target.Command{Name: "server", Argv: []string{self, addr}, Env: map[string]string{ownServer: scheme}, CPUs: cpus.Server}, nil
		},
		Scheme: scheme, Path: "/hello", Body: []byte("Hello, World!"), Timeout: grace,
		Client: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // it is ours
	})
	if err != nil {
		return nil, err
	}
	return &site{dyno: dyno, cpus: cpus, server: server, tree: meter.NewTree(server.PID()), url: scheme + "://" + addr + "/hello"}, nil
}

// serveOwn answers every request with hello, as cheaply as a goroutine for each
// connection can.
func serveOwn(scheme, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if scheme == "https" {
		cert, err := ownCertificate()
		if err != nil {
			return err
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answerAll(c)
	}
}

func answerAll(c net.Conn) {
	defer c.Close()
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\n\r\nHello, World!"
	buf := make([]byte, 4096)
	for n := 0; ; {
		k, err := c.Read(buf[n:])
		if err != nil {
			return
		}
		if n += k; !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
			continue
		}
		if _, err := c.Write([]byte(answer)); err != nil {
			return
		}
		n = 0
	}
}

func ownCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
