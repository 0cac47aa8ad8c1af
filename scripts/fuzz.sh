#!/bin/sh
# Runs every fuzz target of the project for the time given, one after another.
set -eu
time=${1:-1m}
go=${GO:-go}
for package in $($go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
	for target in $($go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "fuzz: $package $target for $time"
		$go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
	done
done
