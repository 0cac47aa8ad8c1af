package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/dynobench/dyno/bench/target"
	"github.com/dynobench/dyno/protocol/gateway"
	"github.com/dynobench/dyno/scenarios"
	"github.com/dynobench/dyno/scenarios/apps"
)

// A program that calls dyno.Main has an app of its own beside the built-in
// ones. It is what serve serves by default, and what scenarios ask that are not
// built in and name no app.
const ownApp = "own"

// builtinApp is the app of scenarios that name none.
const builtinApp = "bench"

func (c *cli) defaultApp() string {
	if c.own != nil {
		return ownApp
	}
	return builtinApp
}

// lookup returns the app of that name.
func (c *cli) lookup(name string) (gateway.App, error) {
	if c.own != nil && name == ownApp {
		return c.own, nil
	}
	return apps.Lookup(name)
}

// frontPage is what is asked of a program's own app if no scenario is given.
func frontPage() *scenarios.Scenario {
	s, err := scenarios.Parse("front page", []byte(`
name: front-page
summary: a GET of / as fast as 64 connections ask
shows: what the app costs on each engine; a scenario of your own asks for more (docs/scenarios.md)
app: `+ownApp+`
requests:
  - {path: /, expect: {status: 200}}
load: {model: closed, connections: 64}
duration: 1s
`))
	if err != nil {
		panic(fmt.Sprintf("cli: the scenario front-page: %v", err)) // it is ours
	}
	return s
}

// claim has scenarios from files ask the program's own app, if it has one and
// they do not name another.
func (c *cli) claim(asked []*scenarios.Scenario) error {
	if c.own == nil {
		return nil
	}
	own := 0
	for _, s := range asked {
		if s.App == builtinApp && !builtinScenario(s.Name) {
			s.App = ownApp
		}
		if s.App == ownApp {
			own++
		}
	}
	if own > 0 && own < len(asked) {
		return errors.New("your scenarios and the built-in ones need different apps: run them separately")
	}
	return nil
}

func builtinScenario(name string) bool { return slices.Contains(scenarios.Names(), name) }

// adapt tells targets that serve the program's own app ready when they answer
// the first request that they will be asked: it need not have /hello.
func (c *cli) adapt(targets []target.Target, first *scenarios.Scenario) {
	for i := range targets {
		if first.App == ownApp && targets[i].Kind != target.Outside {
			targets[i].Ready = first.Requests[0].Path
		}
	}
}

// program is what the command line is called.
func (c *cli) program() string {
	if c.own == nil {
		return "dyno"
	}
	return filepath.Base(os.Args[0])
}
