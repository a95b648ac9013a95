#!/bin/sh
# Runs every fuzz target in turn: fuzz.sh [TIME [PACKAGE...]], TIME being what each gets, as go test's -fuzztime takes it
# (default 20s), PACKAGE as go list takes them (default ./...).
#
# What a target finds interesting goes to Go's build cache, and from there to testdata/fuzz by corpus.sh; what fails is in
# testdata/fuzz at once, as go test has it.
set -eu
cd "$(dirname "$0")/../.."

time=${1:-20s}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- ./...
cache=$(go env GOCACHE)/fuzz
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
found=0
for package in $(go list "$@"); do
	dir=$(go list -f '{{.Dir}}' "$package")
	targets=$(cat "$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(f \*testing\.F).*/\1/p')
	[ -n "$targets" ] || continue
	# Linked once for all of the package's targets: that takes longer than many a target's time.
	go test -c -fuzz . -o "$folder/fuzz.test" "$package"
	for target in $targets; do
		found=$((found + 1))
		echo "fuzz: $package $target"
		(cd "$dir" && "$folder/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzcachedir "$cache/$package") >"$folder/said" 2>&1 || {
			# Go's fuzzer now and then takes the end of its time for a failure of the target. A real one leaves its input behind.
			if ! grep -q 'context deadline exceeded' "$folder/said" || grep -q 'Failing input written' "$folder/said"; then
				cat "$folder/said"
				exit 1
			fi
		}
		tail -n 2 "$folder/said" | sed -n 's/^fuzz: /    /p'
	done
done
echo "fuzz: $found targets, no failure"
