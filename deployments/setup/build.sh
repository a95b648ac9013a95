#!/bin/sh
# Builds bin/streamstack. The first build compiles the GStreamer bindings, which takes minutes without a word from the
# compiler: say so beforehand.
set -eu
cd "$(dirname "$0")/../.."

if [ "$(go list -f '{{.Stale}}' github.com/go-gst/go-gst/gst)" = true ]; then
	echo "build: the first build compiles the GStreamer bindings: this takes two to four minutes" >&2
fi
mkdir -p bin
exec go build -o bin/streamstack .
