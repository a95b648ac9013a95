#!/bin/sh
# Makes a root file system from packages that are installed on this Debian or Ubuntu machine: installed.sh FOLDER PACKAGE...
#
# It holds the files of these packages, of all that they depend on, and of the essential ones, as dpkg lists them, and what
# their scripts would have made: users, links of alternatives, certificates, caches. It takes seconds, where debootstrap
# fetches hundreds of megabytes; and what comes from somewhere else than a package of this machine is not in it.
set -eu

root=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The installed ones among what a list of packages depends on.
closure() {
	apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
		sed -n 's/^\([a-z0-9][^ ]*\)$/\1/p' | sort -u
}
# shellcheck disable=SC2016 # the formats are dpkg-query's
dpkg-query -Wf '${Essential} ${Package}\n' | sed -n 's/^yes //p' >"$work/essential"
# shellcheck disable=SC2046 # one word a package
closure "$@" $(cat "$work/essential") >"$work/wanted"
# shellcheck disable=SC2016,SC2046
dpkg-query -Wf '${db:Status-Status} ${binary:Package}\n' $(cat "$work/wanted") 2>/dev/null | sed -n 's/^installed //p' >"$work/packages"
for package; do
	grep -qx -e "$package" -e "$package:.*" "$work/packages" || {
		echo "installed.sh: $package is not installed here: run: task setup" >&2
		exit 1
	}
done

# Their files, by the names that they have once /bin and its like are links into /usr (hier(7)). What only people read is left out,
# and so is what is not there: some files are diverted, or excluded by this machine's dpkg.cfg.
# shellcheck disable=SC2046
dpkg-query -L $(cat "$work/packages") | sed -n -e 's#^/\(bin\|sbin\|lib\|lib32\|lib64\|libx32\)/#/usr/\1/#' -e '/^\/./p' |
	grep -v -e '^/usr/share/\(doc\|man\|info\|locale\|lintian\|bug\|help\|gnome/help\)/' -e '^/\(bin\|sbin\|lib\|lib32\|lib64\|libx32\)$' | sort -u |
	while read -r file; do if [ -e "$file" ] || [ -L "$file" ]; then printf '%s\n' "${file#/}"; fi; done >"$work/files"
mkdir -p "$root"
tar -C / --no-recursion -cf - -T "$work/files" | tar -C "$root" -xpf -
for link in bin sbin lib lib64; do
	[ ! -d "$root/usr/$link" ] || ln -sfn "usr/$link" "$root/$link"
done

# What scripts make at installation: taken from this machine where it is the same everywhere.
(cd / && find etc/alternatives etc/ssl/certs usr/share/ca-certificates usr/share/X11/xkb usr/lib/*/gdk-pixbuf-2.0 etc/ld.so.conf etc/ld.so.conf.d ! -type d 2>/dev/null) >"$work/made" || true
tar -C / -cf - -T "$work/made" | tar -C "$root" -xpf -
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/root" "$root/var/tmp" "$root/var/lib/dpkg"
install -d -m 1777 "$root/tmp"
# shellcheck disable=SC2046
dpkg-query --status $(cat "$work/packages") >"$root/var/lib/dpkg/status" # so that scanners of images know what is in it
ldconfig -r "$root"
