#!/bin/sh
# Installs the Debian packages that are missing of those in the given lists.
#
#   packages.sh [--print] LIST...
#
# Every LIST is a file with one package a line; what follows the name is why, and a question mark at the name's end means:
# only where the distribution has it. With --print nothing is changed: it prints
# the command that would be run, or nothing when everything is there. Exit status: 0 everything is there now, 1 it is not
# (and what to do was said), 2 wrong usage.
#
# Environment: STREAMSTACK_SKIP_SETUP=1 turns it off, for machines where the needed programs come from elsewhere.
# STREAMSTACK_OS_RELEASE and STREAMSTACK_LOCK_PAUSE are for the tests.
set -eu

os_release=${STREAMSTACK_OS_RELEASE:-/etc/os-release}
lock_pause=${STREAMSTACK_LOCK_PAUSE:-5} # seconds between attempts while another apt runs
lock_attempts=24                        # two minutes: an unattended upgrade of a fresh machine
oldest_debian=12                        # GStreamer 1.22
oldest_ubuntu=22                        # GStreamer 1.20

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
	say "$*"
	exit 1
}

# names LIST... prints the packages in the lists, in order.
names() { sed -e 's/#.*//' -e 's/[[:space:]].*//' -e '/^$/d' "$@"; }

# installed PACKAGE... prints those that are installed. dpkg-query fails when one is unknown, which is no failure here.
installed() {
	# shellcheck disable=SC2016 # the format is dpkg-query's
	dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' || true
}

# field NAME prints a field of os-release. (The file is shell syntax: see os-release(5).)
field() { (
	eval "$1="
	# shellcheck disable=SC1090 # a path that only the tests change
	. "$os_release"
	eval "printf %s \"\$$1\""
); }

# family prints debian, ubuntu or the name of another system.
family() {
	[ -r "$os_release" ] || { uname -s && return; }
	case " $(field ID) $(field ID_LIKE) " in
	*" ubuntu "*) echo ubuntu ;;
	*" debian "*) echo debian ;;
	*) field PRETTY_NAME ;;
	esac
}

# check_release FAMILY stops on releases whose GStreamer is too old. Derivatives number theirs in ways of their own.
check_release() {
	version=$(field VERSION_ID)
	version=${version%%.*}
	case "$(field ID):$version" in
	debian:*[!0-9]* | ubuntu:*[!0-9]* | debian: | ubuntu:) ;; # testing and unstable have no number
	debian:*) [ "$version" -ge $oldest_debian ] || fail "$(field PRETTY_NAME) is too old: Debian $oldest_debian or newer is needed" ;;
	ubuntu:*) [ "$version" -ge $oldest_ubuntu ] || fail "$(field PRETTY_NAME) is too old: Ubuntu $oldest_ubuntu.04 or newer is needed" ;;
	esac
}

# browser prints the name of the first Chromium that can be started.
browser() {
	for name in chromium chromium-browser google-chrome google-chrome-stable; do
		if command -v $name; then return; fi
	done
	return 1
}

# missing PACKAGE... prints those that are not installed. One written with a question mark counts only where apt knows it.
missing() {
	have=" $(installed $(printf '%s\n' "$@" | tr -d '?') | tr '\n' ' ') " # one word a package
	for package in "$@"; do
		name=${package%\?}
		case "$have" in
		*" $name "*) continue ;;
		esac
		if [ "$name" = "$package" ] || apt-cache show "$name" >/dev/null 2>&1; then
			printf '%s\n' "$name"
		fi
	done
}

# as_root COMMAND... runs a command as root: with sudo only when not root, without a question when nobody is there to answer.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -o DPkg::Lock::Timeout=120 "$@"; }

# update refreshes the package lists. A mirror or an added repository that fails need not matter: the packages may be known
# already, so installing is tried all the same.
update() {
	log=$(mktemp)
	attempt=1
	say "refreshing the package lists"
	until apt -q update >"$log" 2>&1; do
		if grep -q 'Could not get lock' "$log" && [ $attempt -lt $lock_attempts ]; then
			[ $attempt -gt 1 ] || say "another package manager is running: waiting for it"
			attempt=$((attempt + 1))
			sleep "$lock_pause"
			continue
		fi
		cat "$log" >&2
		say "apt-get update failed (above): going on with the package lists that are there"
		break
	done
	rm -f "$log"
}

main() {
	print=no
	if [ "${1:-}" = --print ]; then
		print=yes
		shift
	fi
	if [ $# -eq 0 ]; then
		say "usage: packages.sh [--print] LIST..."
		exit 2
	fi
	for list in "$@"; do
		[ -r "$list" ] || { say "no such list: $list" && exit 2; }
	done
	[ "${STREAMSTACK_SKIP_SETUP:-}" != 1 ] || exit 0

	system=$(family)
	case $system in
	debian | ubuntu) command -v dpkg-query >/dev/null || fail "dpkg-query is missing, though this is $system: install dpkg" ;;
	*)
		say "packages are installed on Debian 12 or newer and Ubuntu only, and this is: $system"
		say "install what these Debian packages hold, then try again with STREAMSTACK_SKIP_SETUP=1:"
		names "$@" | tr -d '?' | sed 's/^/  /' >&2
		exit 1
		;;
	esac

	# shellcheck disable=SC2046 # one word a package
	wanted=$(wanted_of "$system" "$@") || exit 1
	[ -n "$wanted" ] || exit 0
	check_release

	# shellcheck disable=SC2086 # one word a package
	command="apt-get install --yes --no-install-recommends $(echo $wanted)"
	if [ $print = yes ]; then
		printf '%s\n' "$command"
		exit 0
	fi
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || fail "packages are missing, and there is no sudo: as root, run: $command"
		[ -t 0 ] || sudo -n true 2>/dev/null || fail "packages are missing, and sudo wants a password: run: sudo $command"
	fi
	update
	wanted=$(wanted_of "$system" "$@") || exit 1 # apt may know more packages now
	# shellcheck disable=SC2086 # one word a package
	install_all $wanted
	say "done"
}

# wanted_of FAMILY LIST... prints the packages that have to be installed.
wanted_of() {
	system=$1
	shift
	# shellcheck disable=SC2046 # one word a package
	missing $(names "$@") | while read -r package; do
		# Ubuntu's package chromium is a shell script that asks for a snap.
		if [ "$system:$package" != ubuntu:chromium ]; then
			printf '%s\n' "$package"
		elif ! browser >/dev/null; then
			fail "Chromium is missing, and on Ubuntu it is no package: run: sudo snap install chromium (or install Google Chrome), then try again"
		fi
	done
}

# install_all PACKAGE... installs and makes sure that it is done.
install_all() {
	say "installing $# packages: $*"
	apt -q install --yes --no-install-recommends "$@" >&2 ||
		fail "apt-get could not install them (above): is the network up? does Ubuntu's component universe count among the sources? When that is put right, try again"
	left=$(missing "$@")
	# shellcheck disable=SC2086 # one line of them
	[ -z "$left" ] || fail "apt-get reported success, but these are not installed:" $left
}

main "$@"
