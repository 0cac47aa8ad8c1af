package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/scenarios"
)

// answerLimit bounds what verify reads of one answer.
const answerLimit = 64 << 20

// verifyTimeout is for one answer; the slowest built-in request takes 50 ms.
const verifyTimeout = 30 * time.Second

// A reference holds the first answer seen to each request whose scenario does
// not say what the body is, so that the other targets can be held to it.
type reference map[string]answer

type answer struct {
	target string
	digest [sha256.Size]byte
	length int
}

// verify asks the server at addr every class of request of s once and compares
// the answers with what the scenario expects. A server that skips part of the
// work would win every comparison; this is where it is refused.
//
// net/http is the client: an implementation that is not dyno's own.
func verify(ctx context.Context, addr, target string, s *scenarios.Scenario, ref reference) error {
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport, Timeout: verifyTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for i := range s.Requests {
		r := &s.Requests[i]
		if err := verifyRequest(ctx, client, addr, target, s, r, ref); err != nil {
			return fmt.Errorf("scenario %s, %s %s: %w", s.Name, r.Method, r.Path, err)
		}
	}
	return nil
}

func verifyRequest(ctx context.Context, client *http.Client, addr, target string, s *scenarios.Scenario, r *scenarios.Request, ref reference) error {
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://"+addr+r.Path, strings.NewReader(r.Body))
	if err != nil {
		return err
	}
	for k, v := range r.Headers {
		if strings.EqualFold(k, "Host") {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit+1))
	if err != nil {
		return fmt.Errorf("answer broken off after %d bytes of body: %w", len(body), err)
	}
	if len(body) > answerLimit {
		return fmt.Errorf("answer longer than %d bytes", answerLimit)
	}
	if resp.StatusCode != r.Expect.Status {
		return fmt.Errorf("status %d, expected %d; the body begins %s", resp.StatusCode, r.Expect.Status, format.Excerpt(body))
	}
	for k, want := range r.Expect.Headers {
		if got := resp.Header.Get(k); got != want {
			return fmt.Errorf("header %s is %q, expected %q", k, got, want)
		}
	}
	digest := sha256.Sum256(body)
	if e := r.Expect; e.Body != nil && string(body) != *e.Body {
		return fmt.Errorf("body is %s (%d bytes), expected %s (%d bytes)", format.Excerpt(body), len(body), format.Excerpt([]byte(*e.Body)), len(*e.Body))
	} else if e.Bytes != nil && int64(len(body)) != *e.Bytes {
		return fmt.Errorf("body has %d bytes, expected %d", len(body), *e.Bytes)
	} else if e.SHA256 != "" && hex.EncodeToString(digest[:]) != e.SHA256 {
		return fmt.Errorf("body has the SHA-256 %x, expected %s; it begins %s", digest, e.SHA256, format.Excerpt(body))
	} else if e.Body == nil && e.SHA256 == "" {
		key := s.Name + " " + r.Method + " " + r.Path
		first, ok := ref[key]
		if !ok {
			ref[key] = answer{target: target, digest: digest, length: len(body)}
		} else if first.digest != digest {
			return fmt.Errorf("body (%d bytes, begins %s) differs from that of %s (%d bytes): all targets must answer alike; state the body in the scenario to say which is right",
				len(body), format.Excerpt(body), first.target, first.length)
		}
	}
	return nil
}
