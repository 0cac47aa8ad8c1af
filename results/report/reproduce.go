package report

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/dynobench/dyno/internal/shell"
	"github.com/dynobench/dyno/results"
)

// commands are what was started, as it can be started again.
type commands struct {
	Again   string // the whole run
	Servers []fact
	Loads   []fact
}

// Every trial had ports of its own. On the page all servers listen where all
// loads ask, so that any of the ones fits any of the others.
const (
	serveAt = "127.0.0.1:8000"
	statsAt = "127.0.0.1:8001"
	pprofAt = "127.0.0.1:8002"
)

// reproduce collects the command lines. One trial stands for those of its
// target or scenario that differ in nothing but ports and seeds.
func reproduce(run *results.Run) commands {
	with := func(words []string) string { // the variables that change what is measured
		if len(words) > 0 && len(run.Environment.Variables) > 0 {
			words = slices.Concat([]string{"env"}, run.Environment.Variables, words)
		}
		return shell.Join(words)
	}
	c := commands{Again: with(run.Plan.Command)}
	trials := make([]*results.Trial, len(run.Trials))
	for i := range run.Trials {
		trials[i] = &run.Trials[i]
	}
	place := func(name string) int {
		return slices.IndexFunc(run.Plan.Targets, func(p results.PlanTarget) bool { return p.Name == name })
	}
	slices.SortStableFunc(trials, func(a, b *results.Trial) int { return place(a.Target) - place(b.Target) }) // as planned
	apps := map[string][]string{}                                                                             // of a target: its commands, of which each app has one
	for _, t := range trials {
		if len(t.ServerCommand) == 0 {
			continue
		}
		command := with(relocated(t.ServerCommand, plannedTarget(run, t.Target).Command, host(t.LoadCommand)))
		if slices.Contains(apps[t.Target], command) {
			continue
		}
		apps[t.Target] = append(apps[t.Target], command)
		name := t.Target
		if len(apps[t.Target]) > 1 {
			name += ", for " + t.Scenario
		}
		c.Servers = append(c.Servers, fact{name, command})
	}
	loads := map[string]bool{} // by scenario and protocol
	for i := range run.Trials {
		t := &run.Trials[i]
		words, over, ok := asking(t.LoadCommand)
		if !ok || loads[t.Scenario+" "+over] {
			continue
		}
		loads[t.Scenario+" "+over] = true
		name := t.Scenario
		if over != "http" {
			name += ", over " + over
		}
		c.Loads = append(c.Loads, fact{name, with(words)})
	}
	return c
}

// targetOf finds the URL in the words of a load's command.
func targetOf(words []string) (at int, u *url.URL) {
	for i, w := range words {
		if strings.Contains(w, "://") && !strings.HasPrefix(w, "-") {
			if u, err := url.Parse(w); err == nil && u.Host != "" {
				return i, u
			}
		}
	}
	return -1, nil
}

// host is where a load's command asks, empty where it does not say.
func host(load []string) string {
	if _, u := targetOf(load); u != nil {
		return u.Host
	}
	return ""
}

// asking is a load's command that asks at serveAt, and the protocol.
func asking(load []string) (words []string, over string, ok bool) {
	at, u := targetOf(load)
	if u == nil {
		return load, "http", len(load) > 0
	}
	words = slices.Clone(load)
	words[at] = strings.Replace(words[at], u.Host, serveAt, 1)
	return words, u.Scheme, true
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// relocated is a server's command with the addresses of the page. template is
// what the plan has of it, which tells where the addresses stand; address is
// where its load asked, for what the template does not tell of.
func relocated(words, template []string, address string) []string {
	words = slices.Clone(words)
	known := map[string]string{}
	if address != "" {
		known[address] = serveAt
	}
	before := len(words) - len(template) // taskset and env stand there
	for i, part := range template {
		if before < 0 {
			break
		}
		w := &words[before+i]
		var pattern, made strings.Builder
		names := placeholder.FindAllString(part, -1)
		for j, text := range placeholder.Split(part, -1) {
			pattern.WriteString(regexp.QuoteMeta(text))
			if j < len(names) {
				pattern.WriteString("(.*?)")
			}
		}
		is, err := regexp.Compile("(?s)^" + pattern.String() + "$")
		if err != nil {
			continue // longer than any command is
		}
		values := is.FindStringSubmatch(*w)
		if values == nil {
			continue
		}
		for j, text := range placeholder.Split(part, -1) {
			made.WriteString(text)
			if j == len(names) {
				break
			}
			value := values[j+1]
			_, port, _ := net.SplitHostPort(serveAt)
			switch now := map[string]string{"{addr}": serveAt, "{port}": port, "{stats}": statsAt, "{pprof}": pprofAt}[names[j]]; {
			case now == "":
			case names[j] == "{port}":
				value = now
			default:
				known[value], value = now, now
			}
			made.WriteString(value)
		}
		*w = made.String()
	}
	for i := range words { // the environment, and commands of runs whose plan has no template
		for old, now := range known {
			if old != "" {
				words[i] = strings.ReplaceAll(words[i], old, now)
			}
		}
	}
	return words
}
