#!/bin/sh
# Installs what the tests and comparisons use and Go modules cannot bring:
# outside servers to measure, and a C compiler for the race detector; with the
# argument bench, the generators that make bench compares with instead. Debian
# and its relatives only; elsewhere, and without root, it says what is missing.
# Set DYNO_NO_INSTALL=1 to be told only.
set -eu

case "${1:-}" in
"") packages="gcc libc6-dev python3 uwsgi-core uwsgi-plugin-python3 uwsgi-plugin-gevent-python3 gunicorn nginx-light haproxy apache2-bin php8.2-fpm openssl" ;;
bench) packages="wrk nghttp2-client" ;;
*)
	echo "usage: peers.sh [bench]" >&2
	exit 2
	;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "peers: not a Debian system; install by hand what matches: $packages" >&2
	[ -z "${CI:-}" ] || echo "peers: in CI their absence will fail tests" >&2
	exit 0
fi
missing=
for package in $packages; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && [ -z "${DYNO_NO_INSTALL:-}" ]; then
	echo "peers: installing$missing" >&2
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of words
	apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
	echo "peers: missing; as root: apt-get install --no-install-recommends$missing" >&2
	[ -z "${CI:-}" ] || exit 1
fi
