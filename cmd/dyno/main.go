// Command dyno is a dynamometer for concurrency engines: it runs one
// gateway-interface application on interchangeable servers, drives each with
// a load that hides nothing, and says who wins, why, and how sure it is.
package main

import "github.com/dynobench/dyno/internal/cli"

func main() { cli.Main(nil) }
