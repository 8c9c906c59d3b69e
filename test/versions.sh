#!/bin/bash
# versions.sh - runs the tests on PostgreSQL 15 to 18, each on a system of its own: versions.sh [kind...]. The kinds are check.sh's.
#
#   15  Debian 12 (bookworm)        17  Debian 13 (trixie)
#   16  Ubuntu 24.04 (noble)        18  Debian unstable (sid)
#
# VERSIONS="17 18" names some of them. A system is a folder that debootstrap fills once, from the mirror of this machine's apt, or from
# the distribution's archive if apt reads none of that distribution; setup.sh fills it further, as on a new machine. The folders stay
# in CHROOTS (~/.cache/xmcoh-versions), 2 to 3 GB each; a folder that is deleted is made anew, with the newest packages. A version
# whose system cannot be made is skipped, which the output says.
#
# Root is needed; the servers are processes of user `postgres`. The logs are in build/versions. The end is one table.
set -uo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"
# shellcheck source=test/chroot.sh
. "$(dirname "$0")/chroot.sh"

CHROOTS=${CHROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/xmcoh-versions}
LOGS=$ROOT/build/versions
KINDS=${*:-house unit unit-asan fuzz tokens vectors regress isolation pgtap cli tap pgspot readme reference}
# The release of a version.
SUITE=([15]=bookworm [16]=noble [17]=trixie [18]=sid)
table= failed=0 skipped=0

# make_root SUITE: fills a folder with a system that has what setup.sh installs.
make_root()
{
	local root=$CHROOTS/$1 keys

	[ ! -e "$root.complete" ] || return 0
	rm -rf --one-file-system "$root"
	mkdir -p "$root"
	if [ "$1" = noble ]; then
		# Ubuntu has pgTAP in universe. Its releases have one script, which a debootstrap that is older than the release has, too.
		# PostgreSQL::Test of 16.2, which the release began with, leaves a newline at the end of what a session answers.
		keys=$(ubuntu_keys "$CHROOTS/ubuntu-keyring") &&
			chroot_make --components=main,universe --keyring="$keys" "$1" "$root" "$(mirror Ubuntu)" gutsy &&
			sed -i 'p; s/ noble / noble-updates /' "$root/etc/apt/sources.list" || return 1
	else
		chroot_make "$1" "$root" "$(mirror Debian)" || return 1
	fi
	# A mirror may be older than the dates in its lists allow; signatures are checked.
	echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/90xmcoh"
	copy_tree "$root" && inside "$root" bash /xmcoh/test/setup.sh && touch "$root.complete"
}

# ubuntu_keys FOLDER: prints the path of the keys of Ubuntu's archive. If this machine has none, they are put into FOLDER, from the
# package of Debian 13: Debian 12 has no such package.
ubuntu_keys()
{
	local keys=/usr/share/keyrings/ubuntu-archive-keyring.gpg apt

	if [ ! -e "$keys" ]; then
		keys=$1$keys
		apt=(-q -o Dir::Etc::SourceList="$1/list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$1/lists"
			-o APT::Sandbox::User=root)
		[ -e "$keys" ] || {
			rm -rf "$1" && mkdir -p "$1/lists/partial" && echo "deb $(mirror Debian) trixie main" >"$1/list" &&
				apt-get "${apt[@]}" update && (cd "$1" && apt-get "${apt[@]}" download ubuntu-keyring) &&
				dpkg-deb -x "$1"/ubuntu-keyring_*.deb "$1" && rm -rf "$1/lists"
		} >&2 || return 1
	fi
	echo "$keys"
}

# build stays, which has only logs and what pip has installed: pip would download that anew in each run.
copy_tree()
{
	mkdir -p "$1/xmcoh" && find "$1/xmcoh" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} + &&
		pack_tree | tar -C "$1/xmcoh" --no-same-owner -xf -
}

# Of the output of check.sh, prints the line of each kind when the kind ends.
show_kinds()
{
	sed -unE 's/^(build |[a-z-]+ +([0-9]+ passed|FAILED)|[0-9]+ passed, )/    &/p'
}

# note VERSION KIND PASSED FAILED SKIPPED [REMARK]: a row of the table.
note()
{
	table+=$(printf '%-9s %-10s %7s %7s %8s  %s' "$@")$'\n'
	failed=$((failed + $4)) skipped=$((skipped + $5))
}

check_version()
{
	local version=$1 root=$CHROOTS/${SUITE[$1]} log=$LOGS/$1.log before=$failed kind passed bad skip rows reader

	say "== PostgreSQL $version: ${SUITE[$version]}, $root; the log is ${log#"$ROOT/"}"
	# Another clone may test in the same folder. The lock ends with the next version, or with this script.
	exec 9>"$root.lock"
	flock --nonblock 9 || { say "    waiting for another check-versions in this folder"; flock 9; }
	if ! { make_root "${SUITE[$version]}" && copy_tree "$root"; } >"$log" 2>&1; then
		tail -n 5 "$log" | sed 's/^/    /'
		say "****  skipped: PostgreSQL $version. Its system cannot be made.  ****"
		note "$version" all 0 0 1 "its system cannot be made"
		return
	fi
	[ -z "$guides" ] || { rm -rf "$root/guides" && cp -rL "$guides" "$root/guides"; }
	# Not a pipeline, because `inside` must run in this shell, which ends its processes.
	exec 8> >(tee -a "$log" | show_kinds)
	reader=$!
	# shellcheck disable=SC2086
	inside "$root" env GUIDES=/guides bash /xmcoh/test/check.sh $KINDS >&8 2>&1 8>&-
	exec 8>&-
	wait "$reader"
	rm -rf "$LOGS/$version"
	cp -r "$root/xmcoh/build/check" "$LOGS/$version" 2>/dev/null
	rows=$(awk '/^kind +passed +failed/ { on = 1; next } /^all in / { on = 0 } on { print $1, $2, $3, $4 }' "$log")
	while read -r kind passed bad skip; do [ -z "$kind" ] || note "$version" "$kind" "$passed" "$bad" "$skip"; done <<<"$rows"
	# What failed before a kind could run; or the tests did not come to their end.
	bad=$(sed -nE '$s/^[0-9]+ passed, ([0-9]+) failed, .*/\1/p' "$log")
	bad=$((${bad:-$((failed - before + 1))} - (failed - before)))
	[ "$bad" = 0 ] || note "$version" "(other)" 0 "$bad" 0 "see the log"
}

[ "$(id -u)" = 0 ] || die "check-versions needs root, for its namespaces"
trap chroot_clean EXIT
trap 'exit 130' INT TERM HUP
command -v debootstrap >/dev/null || bash "$ROOT/test/setup.sh" debootstrap
mkdir -p "$CHROOTS" "$LOGS"
guides=${GUIDES:-$ROOT/../shared/data/guides}
[ -e "$guides/steps.tsv.gz" ] || guides=

for version in ${VERSIONS:-15 16 17 18}; do
	[ -n "${SUITE[$version]:-}" ] || die "no system is known for PostgreSQL $version: 15, 16, 17, 18"
	check_version "$version"
done

say ""
printf '%-9s %-10s %7s %7s %8s\n%s' version kind passed failed skipped "$table"
[ "$skipped" = 0 ] || say "skipped: see the logs"
say "$failed failed, $skipped skipped"
[ "$failed" = 0 ]
