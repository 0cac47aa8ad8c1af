package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/secret"
	"github.com/dynobench/dyno/internal/suggest"
	"github.com/dynobench/dyno/scenarios/workload"
)

// The patterns and bounds here and in scenario.schema.json are the same; a test
// holds them together.
var (
	methodPattern = regexp.MustCompile(`^[A-Z]+$`)
	pathPattern   = regexp.MustCompile(`^(/|\$\{data\.)[^\x00-\x20\x7f]*$`)
	tokenPattern  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	valuePattern  = regexp.MustCompile(`^[^\x00\r\n]*$`)
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

const (
	maxWeight      = 1_000_000
	maxConnections = 65535
	maxRate        = 10_000_000
)

// problem is a broken rule and the path of the value that breaks it.
type problem struct{ path, msg string }

func (s *Scenario) fillDefaults() {
	for i := range s.Requests {
		if r := &s.Requests[i]; r.Class == "" {
			r.Class = secret.Text(r.Path) // it stands in every report
		}
	}
	if s.Data.File != "" && s.Data.Order == "" {
		s.Data.Order = string(workload.Sequence)
	}
	if s.Load.Model == "open" && s.Load.Arrivals == "" {
		s.Load.Arrivals = "constant"
	}
}

// ValidateRequests holds requests that do not come from a file against the
// rules of those that do. The error names them as requests[0], requests[1], …
func ValidateRequests(requests []Request) error {
	var all []error
	for _, p := range requestsProblems(requests, &Data{}) {
		all = append(all, fmt.Errorf("%s: %s", p.path, p.msg))
	}
	return errors.Join(all...)
}

// problems are the rules beyond the types. Each message says what to do. given
// tells whether the file has a value at a path.
func (s *Scenario) problems(given func(path string) bool) []problem {
	var list []problem
	add := func(path, format string, args ...any) {
		list = append(list, problem{path, fmt.Sprintf(format, args...)})
	}
	if !workload.IsName(s.Name) {
		add("name", "name %q; use lower-case letters, digits and dashes between them", s.Name)
	}
	if !workload.IsName(s.App) {
		add("app", "app %q; use the name of one (see: dyno list apps)", s.App)
	}
	if s.Summary == "" || strings.Contains(s.Summary, "\n") {
		add("summary", "the summary must be one line that says what is asked of the server")
	}
	if s.Duration == 0 {
		add("duration", "a duration of 0 measures nothing; write one, as 2s")
	}
	if s.Load.Schedule != "" && s.Duration > 0 && s.Load.Mean(s.Duration) == 0 {
		add("load.rate", "rate %s: no request is due within the duration of %v; write a longer duration, or a rate that begins earlier", s.Load.Schedule, s.Duration)
	}
	if given("data") {
		list = append(list, s.Data.problems(s.Requests)...)
	}
	list = append(list, requestsProblems(s.Requests, &s.Data)...)
	return append(list, s.Load.problems(given)...)
}

func (l *Offer) problems(given func(path string) bool) []problem {
	var list []problem
	add := func(key, format string, args ...any) {
		list = append(list, problem{"load." + key, fmt.Sprintf(format, args...)})
	}
	switch l.Model {
	case "open":
		switch peak := l.peak(); {
		case peak == 0:
			add("rate", "the open model needs a rate above 0; add rate: requests per second")
		case !(peak > 0 && peak <= maxRate):
			add("rate", "rate %v; write requests per second, above 0 and at most %d", peak, maxRate)
		}
		if models := []string{"constant", "poisson"}; !slices.Contains(models, l.Arrivals) {
			add("arrivals", "%v", suggest.Unknown("arrivals", l.Arrivals, models))
		}
	case "closed":
		if given("load.rate") {
			add("rate", "the closed model has no rate; leave it out or set model: open")
		}
		if given("load.arrivals") {
			add("arrivals", "the closed model has no arrivals; leave them out or set model: open")
		}
	default:
		add("model", "%v", suggest.Unknown("model", l.Model, []string{"closed", "open"}))
	}
	if l.Connections < 1 || l.Connections > maxConnections {
		add("connections", "%d connections; write 1 to %d", l.Connections, maxConnections)
	}
	if l.Timeout <= 0 {
		add("timeout", "a timeout of 0 fails every request; write one, as 10s")
	}
	return append(list, l.groupProblems(given)...)
}

// peak is the highest rate.
func (l *Offer) peak() float64 {
	if p, err := workload.ParseSchedule(l.Schedule); err == nil {
		return p.Peak()
	}
	return l.Rate
}

func requestsProblems(requests []Request, data *Data) []problem {
	var list []problem
	if len(requests) == 0 {
		list = append(list, problem{"requests", "no requests; write at least one"})
	}
	for i := range requests {
		r := &requests[i]
		add := func(key, format string, args ...any) {
			list = append(list, problem{fmt.Sprintf("requests[%d].%s", i, key), fmt.Sprintf(format, args...)})
		}
		if !methodPattern.MatchString(r.Method) {
			add("method", "method %q; write it in capitals, as GET", r.Method)
		}
		if !pathPattern.MatchString(r.Path) || r.Verbatim && r.Path[0] != '/' {
			add("path", "path %q; start it with / and percent-encode blanks and control characters", r.Path)
		}
		if r.Weight < 1 || r.Weight > maxWeight {
			add("weight", "weight %d; write 1 to %d, or leave the request out", r.Weight, maxWeight)
		}
		headersProblems("headers", r.Headers, add)
		r.placeholdersProblems(data, add)
		headersProblems("expect.headers", r.Expect.Headers, add)
		r.Expect.problems(add)
	}
	return list
}

func headersProblems(key string, headers map[string]string, add func(key, format string, args ...any)) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !tokenPattern.MatchString(name) || !valuePattern.MatchString(headers[name]) {
			add(key+"."+name, "header %q: %q; a name has no blanks or colons, a value no line breaks", name, headers[name])
		}
	}
}

func (e *Expect) problems(add func(key, format string, args ...any)) {
	if e.Status < 200 || e.Status > 599 {
		add("expect.status", "status %d; write 200 to 599", e.Status)
	}
	if e.Bytes != nil && *e.Bytes < 0 {
		add("expect.bytes", "%d bytes; write 0 or more", *e.Bytes)
	}
	if e.SHA256 != "" && !sha256Pattern.MatchString(e.SHA256) {
		add("expect.sha256", "sha256 %q; write 64 hexadecimal digits in lower case", e.SHA256)
	}
	if e.Body != nil && (e.Bytes != nil || e.SHA256 != "") {
		add("expect.body", "the body both as text and by bytes or sha256; give one of the two")
	}
}
