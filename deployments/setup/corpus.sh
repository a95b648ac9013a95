#!/bin/sh
# Keeps what the fuzz targets have found interesting on this machine: corpus.sh [N [PACKAGE...]]. It copies from Go's build cache to
# testdata/fuzz, where `go test` runs it as an ordinary test: of each target the N smallest inputs (default 12), and none of
# more than 4 KiB, since a corpus is read by people too.
set -eu
cd "$(dirname "$0")/../.."

most=${1:-12}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- ./...
cache=$(go env GOCACHE)/fuzz
for package in $(go list "$@"); do
	dir=$(go list -f '{{.Dir}}' "$package")
	for target in $(cat "$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(f \*testing\.F).*/\1/p'); do
		[ -d "$cache/$package/$target" ] || continue
		to=$dir/testdata/fuzz/$target
		mkdir -p "$to"
		have=$(find "$to" -type f | wc -l)
		[ "$have" -lt "$most" ] || continue
		find "$cache/$package/$target" -type f -size -8 -printf '%s %p\n' | sort -n | head -n $((most - have)) | cut -d ' ' -f 2 |
			while read -r input; do cp "$input" "$to/"; done
		echo "$package $target: $(find "$to" -type f | wc -l)"
	done
done
