#!/bin/sh
# Runs every check and every test; `task test` prepares and calls it. What is tested with what:
#
#   - packages that do not touch GStreamer run with the race detector;
#   - packages that do, and those that drive whole stacks and browsers (deployments/), run without it: the race build of the
#     GStreamer bindings takes many minutes, and a detector that slows video down tenfold measures nothing.
#
# Every step runs, also after one has failed. Exit status 0: all passed.
#
# Whole stacks with browsers and encoders share two cores here with whatever else the machine does. So up to three tests that
# fail in a step are run once more, each alone; the last lines name them, since such a test is to be mended too. A test that
# fails twice fails the step, and so does a data race at once. After a crash in C the whole package is run once more.
set -u
cd "$(dirname "$0")/../.." || exit 1

bindings=github.com/go-gst/
failed=
reruns=$(mktemp -d) && told=$(mktemp) || exit 1
trap 'rm -rf "$reruns" "$told"' EXIT
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

# A package that hangs costs this long, so it is not much more than the longest takes (gateway with the race detector, deployments/e2e) on a
# machine half as fast as ours, where those take eight and ten minutes of an hour.
longest=12m

# tests REPORT PACKAGES FLAG... runs the packages' tests with flags of go test; what was run again is in REPORT.
tests() {
	report=$reruns/$1
	list=$2
	shift 2
	bin/gotestsum --format pkgname --format-hide-empty-pkg --hide-summary skipped \
		--rerun-fails=1 --rerun-fails-max-failures 3 --rerun-fails-run-root-test --rerun-fails-abort-on-data-race \
		--rerun-fails-report "$report" --jsonfile "$told" --packages "$list" -- -count=1 -timeout "$longest" "$@" || return 1
	# A crash in C takes the tests after it along, which running the one that it hit again does not make good: all of the package are.
	crashed=$(sed -En '/"Output":"(SIGSEGV|SIGABRT|SIGBUS): /s/.*"Package":"([^"]*)".*/\1/p' "$told" | sort -u)
	[ -z "$crashed" ] || {
		printf '%s crashed in C\n' $crashed | tee "$report.crashed"
		bin/gotestsum --format pkgname --hide-summary skipped --packages "$crashed" -- -count=1 -timeout "$longest" "$@"
	}
}

# fuzz runs the targets of some packages at once on each core: most of the time goes into linking.
fuzz() { printf '%s\n' "$race" | xargs -P "$(nproc)" -n 8 sh deployments/setup/fuzz.sh 1s; }

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
# One package more than there are cores: much of the time of the longest is waiting, for deadlines that must pass.
[ -z "$race" ] || step race tests race "$race" -race -p $(($(nproc) + 1))
# One package at a time: several video encoders and browsers at once would starve each other.
[ -z "$plain" ] || step plain tests plain "$plain" -p 1
# Every target for a moment, beside its kept corpus: what `task soak` does for longer, with those that need GStreamer.
[ -z "$race" ] || step fuzz fuzz

if cat "$reruns"/* >"$reruns/all" 2>/dev/null && [ -s "$reruns/all" ]; then
	printf '\nrun once more after a failure, with how often each failed:\n'
	cat "$reruns/all"
fi
took=$(($(date +%s) - begin))
if [ -n "$failed" ]; then
	printf '\ntest: FAILED after %d s:%s\n' $took "$failed"
	exit 1
fi
printf '\ntest: everything passed in %d s\n' $took
