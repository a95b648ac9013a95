#!/bin/sh
# Runs every fuzz target in turn: fuzz.sh [TIME], TIME being what each gets, as go test's -fuzztime takes it (default 20s).
set -eu
cd "$(dirname "$0")/../.."

time=${1:-20s}
found=0
for package in $(go list ./...); do
	grep -qs '^func Fuzz' "$(go list -f '{{.Dir}}' "$package")"/*_test.go || continue
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz'); do
		found=$((found + 1))
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
	done
done
echo "fuzz: $found targets, no failure"
