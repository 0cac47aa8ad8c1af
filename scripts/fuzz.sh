#!/bin/sh
# Runs every fuzz target of the project for the time given, one after another.
# Inputs that only cover something new are kept as they are: to make one small
# takes up to a minute in which nothing is tried.
set -eu
time=${1:-1m}
go=${GO:-go}
for package in $($go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
	for target in $($go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "fuzz: $package $target for $time"
		$go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5x "$package"
	done
done
