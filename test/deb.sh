#!/bin/bash
# deb.sh - Debian packages: deb.sh build makes them, in build/deb; deb.sh makes and tests them.
#
# The test installs the packages in a bare system that debootstrap makes, starts PostgreSQL there as user postgres, and runs the
# ten lines of SQL of README.md on the table of its first block. Then autopkgtest runs debian/tests there. The test takes root, for
# chroot, and the machine's archive of packages.
# The bare system is of the machine's own release. CHROOT=folder names a bare system that is made if it is missing, and is kept.
set -uo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"
# shellcheck source=test/chroot.sh
. "$(dirname "$0")/chroot.sh"

OUT=$ROOT/build/deb
passed=0 failed=0 skipped=0

# test_that NAME COMMAND...: prints a line of TAP; the output of a command that fails is shown.
test_that()
{
	local name=$1

	shift
	if "$@" >"$WORK/said" 2>&1; then
		passed=$((passed + 1))
		say "ok $((passed + failed)) - $name"
	else
		failed=$((failed + 1))
		say "not ok $((passed + failed)) - $name"
		tail -n 60 "$WORK/said" | sed 's/^/#   /'
	fi
}

finish()
{
	say ""
	say "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
	exit
}

skip_all()
{
	skipped=$((skipped + 1))
	say ""
	say "****  skipped: $1. NO PACKAGE WAS INSTALLED.  ****"
	finish
}

# ---- building ----

# In a copy of the tree, as the server's user: a build needs no root.
build()
{
	local folder=$WORK/build/xmcoh

	bash "$ROOT/test/setup.sh" dpkg-dev debhelper postgresql-server-dev-all || return 1
	as_server mkdir -p "$folder" || return 1
	pack_tree | as_server tar -C "$folder" --no-same-owner -xf - || return 1
	as_server env -C "$folder" pg_buildext updatecontrol || return 1
	# The tests of the packages are those below; --no-check-builddeps would hide a missing package.
	as_server env -C "$folder" DEB_BUILD_OPTIONS="nocheck parallel=$JOBS" DEB_BUILD_PROFILES=nocheck \
		dpkg-buildpackage --build=binary --no-sign || return 1
	mkdir -p "$OUT" && rm -f "$OUT"/*.deb && cp "$WORK"/build/*.deb "$OUT"
}

# ---- a bare system ----

make_system()
{
	chroot_make "$VERSION_CODENAME" "$CHROOT" "$(mirror "$DISTRIBUTION")" || return 1
	archives "$DISTRIBUTION" | sed 's/^/deb /' >"$CHROOT/etc/apt/sources.list"
	# Packages must not start services.
	printf '#!/bin/sh\nexit 101\n' >"$CHROOT/usr/sbin/policy-rc.d" && chmod +x "$CHROOT/usr/sbin/policy-rc.d"
}

# Runs a script of the shell in the bare system, without the machine's environment.
in_system()
{
	inside "$CHROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -ec "$1"
}

# The blocks of SQL of README.md: prints the one with this number.
block()
{
	awk -v wanted="$1" '/^```sql$/ { n++; inside = 1; next } /^```$/ { inside = 0 } inside && n == wanted' "$ROOT/README.md"
}

ten_lines()
{
	local said

	{ block 2 | grep -v '^CREATE EXTENSION'; block 1; } >"$CHROOT/tmp/ten_lines.sql"
	# A cluster that is as new as after the installation of the server's package; psql runs as its superuser.
	in_system "pg_dropcluster --stop $MAJOR main; pg_createcluster $MAJOR main; pg_ctlcluster $MAJOR main start; cd /tmp
		runuser -u postgres -- psql -XAt -v ON_ERROR_STOP=1 -f ten_lines.sql >ten_lines.out
		runuser -u postgres -- xmcoh report manuals >report.out
		pg_ctlcluster $MAJOR main stop" || return 1
	said=$(awk -F'|' '/^succeeded$/ { trained++ } /^M[0-9]+\|/ { if (NF == 2) scored++; else ordered++ }
		/^\|(text|image|fused)\|/ { measured++ } END { print trained + 0, scored + 0, ordered + 0, (measured ? "yes" : "no") }' "$CHROOT/tmp/ten_lines.out")
	[ "$said" = "1 140 840 yes" ] || { say "trained, manuals with a coherence, steps in order, evaluated: $said"; return 1; }
	grep -q "^fused  *fused  *120 " "$CHROOT/tmp/report.out"
}

files_are_there()
{
	in_system "test -x /usr/bin/xmcoh; xmcoh --help >/dev/null; dpkg -L xmcoh | grep -qx /usr/share/man/man1/xmcoh.1.gz
		test -e /usr/lib/postgresql/$MAJOR/lib/xmcoh.so; test -e /usr/share/postgresql/$MAJOR/extension/xmcoh.control
		test -e /usr/share/doc/postgresql-$MAJOR-xmcoh/copyright; test -e /usr/share/doc/xmcoh/copyright
		if ldd /usr/lib/postgresql/$MAJOR/lib/xmcoh.so | grep -q blas; then exit 1; fi; grep -q openblas-serial/libopenblas.so.0 /usr/lib/postgresql/$MAJOR/lib/xmcoh.so"
}

# The tests that the packages bring along, debian/tests, as Debian runs them: for the installed files, which autopkgtest removes.
autopkgtest_passes()
{
	rm -rf "$CHROOT/tmp/source" && mkdir "$CHROOT/tmp/source" && pack_tree | tar -C "$CHROOT/tmp/source" --no-same-owner -xf - &&
		cp "$WORK/build/xmcoh/debian/control" "$CHROOT/tmp/source/debian" &&
		cp "$WORK/build/xmcoh/debian/tests/control" "$CHROOT/tmp/source/debian/tests" &&
		in_system 'apt-get install -q -y --no-install-recommends autopkgtest; cd /tmp
			autopkgtest --no-built-binaries /tmp/source /tmp/debs/*.deb -- null'
}

nothing_is_left()
{
	in_system "apt-get purge -q -y xmcoh postgresql-$MAJOR-xmcoh
		left=\$(find /usr /etc -name '*xmcoh*'); echo \"\$left\"; test -z \"\$left\""
}

install_packages()
{
	rm -rf "$CHROOT/tmp/debs" && mkdir "$CHROOT/tmp/debs" && cp "$OUT"/xmcoh_*.deb "$OUT/postgresql-$MAJOR-xmcoh_"*.deb "$CHROOT/tmp/debs" &&
		in_system 'apt-get update -q && apt-get install -q -y --no-install-recommends /tmp/debs/*.deb'
}

# ---- all of it ----

[ -e /etc/debian_version ] || skip_all "this machine has no Debian packages"
WORK=$(mktemp -d /tmp/xmcoh.XXXXXX)
trap 'chroot_clean; cluster_clean' EXIT
trap 'exit 130' INT TERM HUP
unset MAKEFLAGS MFLAGS MAKELEVEL
if [ "$(id -u)" = 0 ]; then chown postgres: "$WORK"; fi
as_server mkdir -m 700 "$WORK/t"

mkdir -p "$OUT"
if ! build >"$OUT/build.log" 2>&1; then
	tail -n 40 "$OUT/build.log"
	die "the packages could not be built; see build/deb/build.log"
fi
say "The packages, in build/deb:"
ls "$OUT" | grep '\.deb$'
[ "${1:-}" != build ] || exit 0

if bash "$ROOT/test/setup.sh" lintian >"$OUT/setup.log" 2>&1; then
	test_that "lintian finds no error" lintian --fail-on error "$OUT"/*.deb
else
	skipped=$((skipped + 1))
	say "****  skipped: lintian is not to be had.  ****"
fi

[ "$(id -u)" = 0 ] || skip_all "a bare system takes root"
bash "$ROOT/test/setup.sh" debootstrap >"$OUT/setup.log" 2>&1 || skip_all "debootstrap is not to be had"
# shellcheck source=/dev/null
. /etc/os-release
DISTRIBUTION=$([ "$ID" = ubuntu ] && echo Ubuntu || echo Debian)
CHROOT=${CHROOT:-$WORK/system}
if [ ! -e "$CHROOT/usr/sbin/policy-rc.d" ]; then
	make_system >"$OUT/system.log" 2>&1 || { tail -5 "$OUT/system.log"; skip_all "debootstrap cannot make a bare system here"; }
fi
in_system true >>"$OUT/system.log" 2>&1 || skip_all "chroot or mount is not allowed here"
# The packages of the release's own PostgreSQL.
MAJOR=$(/usr/share/postgresql-common/supported-versions | sort -n | tail -1)

test_that "the packages can be installed in a bare $PRETTY_NAME" install_packages
test_that "command, manual page, library, copyright are there; the library finds the serial OpenBLAS" files_are_there
test_that "the ten lines of README.md run on PostgreSQL $MAJOR, as user postgres" ten_lines
test_that "autopkgtest passes" autopkgtest_passes
test_that "nothing is left after apt-get purge" nothing_is_left
finish
