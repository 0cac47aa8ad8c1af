#!/bin/sh
# Runs the tests of the packages given, under the race detector where C can be
# compiled (the detector needs cgo). One package at a time: the tests
# start real servers under load, and two at once would only measure each other.
set -eu
race=
if printf '#include <stdlib.h>\nint main(void) { return 0; }\n' | "${CC:-gcc}" -x c -o /dev/null - 2>/dev/null; then
	race=-race
else
	echo "test: no C compiler, so no race detector (apt-get install gcc libc6-dev)" >&2
	[ -z "${CI:-}" ] || exit 1
fi
"${GO:-go}" test $race -p 1 -timeout 15m "$@"
# The race detector makes pools drop at random, so under it allocations are not
# counted: those tests once more without it.
if [ -n "$race" ]; then
	"${GO:-go}" test -p 1 -run 'Allocat' ./protocol/gateway ./protocol/http1 ./protocol/uwsgi ./protocol/scgi ./protocol/fastcgi ./engines ./scenarios/apps
fi
