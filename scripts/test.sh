#!/bin/sh
# Runs the tests of the packages given, under the race detector where a C
# compiler is there (the detector needs cgo). One package at a time: the tests
# start real servers under load, and two at once would only measure each other.
set -eu
race=
if command -v "${CC:-gcc}" >/dev/null 2>&1; then
	race=-race
else
	echo "test: no C compiler, so no race detector (apt-get install gcc libc6-dev)" >&2
fi
exec "${GO:-go}" test $race -p 1 -timeout 15m "$@"
