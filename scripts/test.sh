#!/bin/sh
# Runs the tests of the packages given, under the race detector where C can be
# compiled (the detector needs cgo). Those that start real servers under load go
# one package at a time, since two at once would only measure each other.
set -eu
go=${GO:-go}
race=
if printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | "${CC:-gcc}" -x c -o /dev/null - 2>/dev/null; then
	race=-race
	# A program under the detector waits a second at its end, in which a goroutine
	# may still do wrong; the tests run hundreds of programs.
	export GORACE="${GORACE:-atexit_sleep_ms=0}"
else
	echo "test: no C compiler, so no race detector (apt-get install gcc libc6-dev)" >&2
	[ -z "${CI:-}" ] || exit 1
fi

failed=0
group() { # AT-A-TIME PACKAGES…
	at_a_time=$1
	shift
	[ $# -eq 0 ] || "$go" test $race -p "$at_a_time" -timeout 15m "$@" || failed=1
}
packages=$("$go" list "$@")
loaded='/dyno/\(bench\|engines\|internal/cli\)'
group 2 $(echo "$packages" | grep -v "$loaded")
group 1 $(echo "$packages" | grep "$loaded")

# The race detector makes pools drop at random, so under it allocations are not
# counted; and simulations take ten times as long: those tests without it.
if [ -n "$race" ]; then
	"$go" test -p 1 -run 'Allocat' ./protocol/gateway ./protocol/http1 ./protocol/uwsgi ./protocol/scgi ./protocol/fastcgi ./engines/kernel ./scenarios/apps || failed=1
	"$go" test -p 1 -run 'FalseAlarms|StopsAreSeen|EdgesHaveNoBias' ./bench/load || failed=1
fi
exit $failed
