#!/bin/sh
# What an instance's root file system needs besides packages: finish.sh [ROOT]. It is the same however the packages came there.
set -eu

root=${1:-}
grep -q '^streamstack:' "$root/etc/passwd" || echo 'streamstack:x:10001:10001:instances of streamstack:/data:/usr/sbin/nologin' >>"$root/etc/passwd"
grep -q '^streamstack:' "$root/etc/group" || echo 'streamstack:x:10001:' >>"$root/etc/group"
install -d -m 1777 "$root/data" # which engines take over for the file system in memory that they put there
mkdir -p "$root/usr/share/streamstack"
# GStreamer's registry of plug-ins, without which every container would scan them anew: package guest names it to the streamer.
if [ -n "$root" ]; then
	chroot "$root" env GST_REGISTRY=/usr/share/streamstack/gstreamer-registry.bin gst-inspect-1.0 >/dev/null
else
	GST_REGISTRY=/usr/share/streamstack/gstreamer-registry.bin gst-inspect-1.0 >/dev/null
fi
chmod 644 "$root/usr/share/streamstack/gstreamer-registry.bin"
