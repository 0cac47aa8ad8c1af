package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dynobench/dyno/bench/load/plan"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/protocol/client"
	"github.com/dynobench/dyno/scenarios"
	"github.com/dynobench/dyno/scenarios/workload"
)

// answerLimit bounds what verify reads of one answer.
const answerLimit = 64 << 20

// verifyTimeout is for one answer; the slowest built-in request takes 50 ms.
const verifyTimeout = 30 * time.Second

// A reference holds the first answer seen to each request whose scenario does
// not say what the body is, so that the other targets can be held to it.
type reference map[string]answer

// keyOf names a request of a scenario. The path is not enough: two classes may
// send other bodies to the same one.
func keyOf(s *scenarios.Scenario, class int) string { return fmt.Sprintf("%s %d", s.Name, class) }

type answer struct {
	target string
	digest [sha256.Size]byte
	length int
}

// verify asks the server at addr every class of request of s once and compares
// the answers with what the scenario expects. A server that skips part of the
// work would win every comparison; this is where it is refused.
//
// A templated request is asked with the first draw of seed, which has to be the
// same for all targets: their answers are compared with each other.
//
// net/http is the client: an implementation that is not dyno's own, but for the
// other protocols than http. server is a URL up to its path.
func verify(ctx context.Context, trusted *tls.Config, server, target string, s *scenarios.Scenario, seed uint64, ref reference) error {
	transport := newTransport(trusted)
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport, Timeout: verifyTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	draws := workload.NewSource(seed, s.Data.Rows, workload.Order(s.Data.Order), len(s.Requests), 0, 1)
	for i := range s.Requests {
		r := &s.Requests[i]
		req, err := request(ctx, server, &s.Data, r, draws.Next(i))
		if err == nil {
			err = verifyRequest(client, req, &r.Expect, target, keyOf(s, i), ref)
		}
		if err != nil {
			return fmt.Errorf("scenario %s, %s %s: %w", s.Name, r.Method, r.Path, err)
		}
	}
	return nil
}

// newTransport is a client for all protocols, with a connection for each request.
func newTransport(trusted *tls.Config) *advisor {
	t := &http.Transport{DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: trusted.Clone()}
	t.Protocols = new(http.Protocols) // what the load is in
	t.Protocols.SetHTTP1(true)
	client.Register(t, &client.Transport{DisableKeepAlives: true})
	return &advisor{t}
}

// advisor says what to do where TLS could not be agreed on.
type advisor struct{ *http.Transport }

func (a *advisor) RoundTrip(q *http.Request) (*http.Response, error) {
	resp, err := a.Transport.RoundTrip(q)
	if advice := plan.TLSAdvice(err); advice != "" {
		err = fmt.Errorf("%w: %s", err, advice)
	}
	return resp, err
}

// request renders r for a draw.
func request(ctx context.Context, server string, data *scenarios.Data, r *scenarios.Request, d workload.Draw) (*http.Request, error) {
	t, err := r.Templates(data)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, server+string(t.Path.Append(nil, d)), bytes.NewReader(t.Body.Append(nil, d)))
	if err != nil {
		return nil, err
	}
	for k, v := range t.Headers {
		value := string(v.Append(nil, d))
		if strings.EqualFold(k, "Transfer-Encoding") { // net/http writes the chunks itself
			content, err := workload.Chunks(value, string(t.Body.Append(nil, d)))
			if err != nil {
				return nil, err
			}
			req.Body, req.ContentLength, req.TransferEncoding = io.NopCloser(strings.NewReader(content)), -1, []string{"chunked"}
			continue
		}
		if strings.EqualFold(k, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(k, value)
	}
	return req, nil
}

// verifyRequest holds the answer to req against e and, where e does not say what
// the body is, against the one that ref has under key.
func verifyRequest(client *http.Client, req *http.Request, e *scenarios.Expect, target, key string, ref reference) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if err != nil {
		return fmt.Errorf("response cut off after %d bytes of body: %w", len(body), err)
	}
	if len(body) > answerLimit {
		return fmt.Errorf("answer longer than %d bytes", answerLimit)
	}
	if resp.StatusCode != e.Status {
		return fmt.Errorf("status %d, expected %d; the body begins %s", resp.StatusCode, e.Status, format.Excerpt(body))
	}
	for k, want := range e.Headers {
		if got := resp.Header.Get(k); got != want {
			return fmt.Errorf("header %s is %q, expected %q", k, got, want)
		}
	}
	digest := sha256.Sum256(body)
	if e.Body != nil && string(body) != *e.Body {
		return fmt.Errorf("body is %s (%d bytes), expected %s (%d bytes)", format.Excerpt(body), len(body), format.Excerpt([]byte(*e.Body)), len(*e.Body))
	} else if e.Bytes != nil && int64(len(body)) != *e.Bytes {
		return fmt.Errorf("body has %d bytes, expected %d", len(body), *e.Bytes)
	} else if e.SHA256 != "" && hex.EncodeToString(digest[:]) != e.SHA256 {
		return fmt.Errorf("body has the SHA-256 %x, expected %s; it begins %s", digest, e.SHA256, format.Excerpt(body))
	} else if e.Body == nil && e.SHA256 == "" {
		first, ok := ref[key]
		if !ok {
			ref[key] = answer{target: target, digest: digest, length: len(body)}
		} else if first.digest != digest {
			return fmt.Errorf("body (%d bytes, begins %s) differs from that of %s (%d bytes): all targets must respond alike; put the right body into the scenario",
				len(body), format.Excerpt(body), first.target, first.length)
		}
	}
	return nil
}
