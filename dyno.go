// Package dyno makes a server of a Go app, with all of dyno's engines to run it
// on and dyno itself to compare them:
//
//	package main
//
//	import (
//		"net/http"
//
//		"github.com/dynobench/dyno"
//		"github.com/dynobench/dyno/protocol/gateway"
//	)
//
//	func main() { dyno.Main(gateway.FromHTTP(http.HandlerFunc(hello))) }
//
// The program then is the command dyno, with the app in it:
//
//	./shop serve --engine eventloop --master    serves it
//	./shop run                                  compares all engines with it, asking for /
//	./shop run checkout.yaml                    the same with the requests of a scenario
package dyno

import (
	"github.com/dynobench/dyno/internal/cli"
	"github.com/dynobench/dyno/protocol/gateway"
)

// Main runs the command that the arguments of the process name, with app as
// the one to serve, and exits. It is to be called first thing in main: workers
// and the processes of a measurement are the same program started anew.
func Main(app gateway.App) { cli.Main(app) }
