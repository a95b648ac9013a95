#!/bin/sh
# Runs every check and every test; `task test` prepares and calls it. What is tested with what:
#
#   - packages that do not touch GStreamer run with the race detector;
#   - packages that do, and those that drive whole stacks and browsers (deployments/), run without it: the race build of the
#     GStreamer bindings takes many minutes, and a detector that slows video down tenfold measures nothing.
#
# Every step runs, also after one has failed. Exit status 0: all passed.
set -u
cd "$(dirname "$0")/../.." || exit 1

bindings=github.com/go-gst/
failed=
begin=$(date +%s)

# step NAME COMMAND... runs one step and notes whether it failed.
step() {
	name=$1
	shift
	from=$(date +%s)
	printf '\n== %s\n' "$name"
	if "$@"; then
		printf '== %s: passed in %d s\n' "$name" $(($(date +%s) - from))
	else
		printf '== %s: FAILED after %d s\n' "$name" $(($(date +%s) - from))
		failed="$failed $name"
	fi
}

formatted() {
	unformatted=$(gofmt -l .) || return 1
	[ -z "$unformatted" ] || {
		printf 'not formatted: run gofmt -w on\n%s\n' "$unformatted"
		return 1
	}
}

# test_packages prints "race PATH" or "plain PATH" for every package that has tests.
test_packages() {
	go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... | awk -v bindings="$bindings" '
		$1 ~ /\.test$/ {
			path = substr($1, 1, length($1) - 5)
			kind = index($0, " " bindings) || path ~ /\/deployments\/(e2e|bench|soak)(\/|$)/ ? "plain" : "race"
			print kind, path
		}'
}

packages=$(test_packages) || {
	echo "test: the packages cannot be listed (above)" >&2
	exit 1
}
race=$(printf '%s\n' "$packages" | sed -n 's/^race //p')
plain=$(printf '%s\n' "$packages" | sed -n 's/^plain //p')

step gofmt formatted
step vet go vet ./...
step lint bin/golangci-lint run ./...
# shellcheck disable=SC2086 # one word a package
[ -z "$race" ] || step race go test -race -count=1 -timeout 20m $race
# One package at a time: several video encoders and browsers at once would starve each other.
# shellcheck disable=SC2086
[ -z "$plain" ] || step plain go test -count=1 -timeout 20m -p 1 $plain
# Every target for a moment, beside its kept corpus: what `task soak` does for longer, with those that need GStreamer.
# shellcheck disable=SC2086
[ -z "$race" ] || step fuzz sh deployments/setup/fuzz.sh 1s $race

took=$(($(date +%s) - begin))
if [ -n "$failed" ]; then
	printf '\ntest: FAILED after %d s:%s\n' $took "$failed"
	exit 1
fi
printf '\ntest: everything passed in %d s\n' $took
