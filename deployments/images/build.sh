#!/bin/sh
# Builds the image that instances of the docker driver run in.
#
#   build.sh [--base HOW] [--tag NAME] [--binary FILE]
#
# HOW is where the image's Debian packages come from:
#   registry     (default) debian:bookworm-slim of Docker Hub and a Debian mirror; DEBIAN=IMAGE in the environment names another
#   debootstrap  a Debian mirror alone, by mmdebstrap: for machines that reach no registry
#   installed    the packages that are installed on this machine: for tests, in seconds
#   IMAGE        any image that holds the packages of packages.txt and what finish.sh adds
# NAME is the image's, streamstack-instance:latest if not given. FILE is the program, bin/streamstack if not given: it must have
# been built on the same release of Debian.
#
# ENGINE in the environment is the command of the engine, podman or docker, with further arguments if it takes some.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
engine=${ENGINE:-$(command -v podman || command -v docker || echo podman)}
how=registry
tag=streamstack-instance:latest
binary=$here/../../bin/streamstack
while [ $# -gt 0 ]; do
	[ $# -ge 2 ] || { echo "usage: build.sh [--base HOW] [--tag NAME] [--binary FILE]" >&2 && exit 2; }
	case $1 in
	--base) how=$2 ;;
	--tag) tag=$2 ;;
	--binary) binary=$2 ;;
	*) echo "build.sh: there is no option $1" >&2 && exit 2 ;;
	esac
	shift 2
done
[ -x "$binary" ] || { echo "build.sh: there is no program $binary: run: task build" >&2 && exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

packages() { sed -e 's/#.*//' -e 's/[[:space:]].*//' -e '/^$/d' "$here/packages.txt"; }

# import makes an image of the root file system in a folder.
# shellcheck disable=SC2086 # the engine's arguments are several words
import() { tar -C "$1" --numeric-owner -c . | $engine import - "$2" >/dev/null; }

base=streamstack-base:$how
case $how in
registry)
	# shellcheck disable=SC2086
	$engine build ${DEBIAN:+--build-arg "DEBIAN=$DEBIAN"} --tag "$base" --file "$here/base.Containerfile" "$here"
	;;
debootstrap)
	release=${RELEASE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")}
	mmdebstrap --variant=essential --include="$(packages | paste -sd, -)" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="sh $here/finish.sh \"\$1\"" "$release" "$work/root" "${MIRROR:-http://deb.debian.org/debian}" >&2
	import "$work/root" "$base"
	;;
installed)
	# shellcheck disable=SC2046 # one word a package
	sh "$here/installed.sh" "$work/root" $(packages)
	sh "$here/finish.sh" "$work/root"
	import "$work/root" "$base"
	;;
*) base=$how ;;
esac

mkdir "$work/context"
cp "$binary" "$work/context/streamstack"
# shellcheck disable=SC2086
$engine build --build-arg "BASE=$base" --tag "$tag" --file "$here/Containerfile" "$work/context"
