package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/internal/format"
	"github.com/dynobench/dyno/results"
)

// Profiles are what a Go target can be profiled for: Options.Profile.
var Profiles = []string{"cpu", "mutex", "block", "trace"}

// traceTime is the longest execution trace: a busy server writes some megabytes
// in a second.
const traceTime = time.Second

// profileGrace is what a server gets to hand a profile over that is done.
const profileGrace = 10 * time.Second

// profile is the one that is taken of a trial's server. A nil one does nothing.
type profile struct {
	kind    string
	lacking string   // why none can be taken
	urls    []string // one for each process that serves
	length  time.Duration
	folder  string // of the run
	name    string // of the files, without the ending

	done  sync.WaitGroup
	mu    sync.Mutex
	files []string
	errs  []error
}

// profileOf prepares the profile of a step, if one is asked for.
func (p *Plan) profileOf(s Step, at Addresses, order int) *profile {
	if p.Profile == "" {
		return nil
	}
	q := &profile{kind: p.Profile, length: p.duration(s.Scenario), folder: p.ProfileDir}
	if at.Pprof == "" {
		q.lacking = fmt.Sprintf("%s has no profiles: its command has no {pprof}", s.Target.Name)
		return q
	}
	q.name = fmt.Sprintf("%03d-%s", order, format.FileName(s.Scenario.Name+"-"+s.Target.Name))
	paths := []string{"/debug/pprof/"}
	if of := workers(at.Pprof); len(of) > 0 {
		paths = of
	}
	for _, path := range paths {
		q.urls = append(q.urls, "http://"+at.Pprof+path+q.query(s.Target.Kind == target.Outside))
	}
	return q
}

// query is what is asked for. Others than dyno take net/http/pprof's whole
// seconds, of all but traces.
func (q *profile) query(whole bool) string {
	page := q.kind
	switch q.kind {
	case "cpu":
		page = "profile"
	case "trace":
		q.length = min(q.length, traceTime)
	}
	if whole && q.kind != "trace" {
		q.length = max(q.length.Truncate(time.Second), time.Second)
	}
	return page + "?seconds=" + strconv.FormatFloat(q.length.Seconds(), 'f', -1, 64)
}

// profileClient asks servers under measurement, which must not keep what is
// theirs in a connection.
var profileClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// workers are the paths of the profiles of a supervisor's workers; none for
// anybody else.
func workers(addr string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), profileGrace)
	defer cancel()
	body, err := fetch(ctx, "http://"+addr+"/workers")
	if err != nil {
		return nil
	}
	defer body.Close()
	var paths []string
	if json.NewDecoder(body).Decode(&paths) != nil {
		return nil
	}
	return paths
}

// fetch asks for url. An answer other than 200 is an error with its text.
func fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := profileClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		resp.Body.Close()
		return nil, fmt.Errorf("GET %s: %s: %s", url, resp.Status, strings.TrimSpace(string(text)))
	}
	return resp.Body, nil
}

// start begins to take the profile of each process.
func (q *profile) start() {
	if q == nil {
		return
	}
	for i, url := range q.urls {
		q.done.Go(func() {
			file, err := q.take(i, url)
			q.mu.Lock()
			defer q.mu.Unlock()
			if err != nil {
				q.errs = append(q.errs, err)
				return
			}
			q.files = append(q.files, file)
		})
	}
}

// take stores what is at url and returns the file's name in the run's folder.
func (q *profile) take(i int, url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), q.length+profileGrace)
	defer cancel()
	body, err := fetch(ctx, url)
	if err != nil {
		return "", err
	}
	defer body.Close()
	name := q.name
	if len(q.urls) > 1 {
		name += fmt.Sprintf("-worker%d", i+1)
	}
	ending := "." + q.kind + ".pprof"
	if q.kind == "trace" {
		ending = ".trace"
	}
	path := filepath.Join("profiles", name+ending)
	if err := os.MkdirAll(filepath.Join(q.folder, "profiles"), 0o777); err != nil {
		return "", err
	}
	f, err := os.Create(filepath.Join(q.folder, path))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, body)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("%s: %w", url, err)
	}
	return filepath.ToSlash(path), nil
}

// end waits for the profiles and puts them into t, which is marked.
func (q *profile) end(t *results.Trial) {
	if q == nil {
		return
	}
	q.done.Wait()
	slices.Sort(q.files)
	t.Profiles = q.files
	switch {
	case q.lacking != "":
		t.Warn(results.Warning{Code: results.CodeNotProfiled, Message: q.lacking + "; unlike the profiled targets it does not pay for profiling",
			Hint: "a Go server with net/http/pprof takes its address by {pprof} in its command"})
	case len(q.files) > 0:
		t.Warn(results.Warning{Code: results.CodeProfiled, Message: fmt.Sprintf("the server was profiled (%s) within the window: its figures include the cost", q.kind),
			Hint: "compare it only with servers profiled in the same way, or run without --profile"})
	}
	if err := errors.Join(q.errs...); err != nil {
		t.Warn(results.Warning{Code: results.CodeNotProfiled, Message: fmt.Sprintf("no %s profile of the server: %v", q.kind, err),
			Hint: "does the server serve net/http/pprof at {pprof}?"})
	}
}
