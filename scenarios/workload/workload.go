// Package workload is the language of load, which scenarios are written in and the
// generator speaks: how the rate changes over time (Schedule), and the texts of
// requests that differ from one to the next (Template, Data). It starts nothing and
// sends nothing.
package workload
