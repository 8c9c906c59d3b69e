#!/bin/bash
# debug_server.sh - builds PostgreSQL from Debian's source package, with assertions, debugging symbols and valgrind's client
# requests, into a folder: debug_server.sh FOLDER [configure argument...]. A folder with a complete server is kept.
#
# FOLDER is then an installation with contrib and pgTAP, for PG_CONFIG=FOLDER/bin/pg_config. FOLDER/valgrind.supp has PostgreSQL's
# own suppressions. The build takes some minutes and 85 MB; the sources are removed.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: debug_server.sh FOLDER [configure argument...]" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
[ ! -e "$folder/complete" ] || exit 0

unset PG_CONFIG		# the sources and pgTAP are of the distribution's server
bash "$(dirname "$0")/setup.sh" valgrind bzip2 xz-utils libxml2-dev
major=$(bash "$(dirname "$0")/major.sh")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial}

# Lists of source packages from the same mirrors as the machine's packages. The machine's own lists are not changed.
shopt -s nullglob
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[ ! -e "$list" ] || sed -nE 's/^deb([[:space:]])/deb-src\1/p' "$list" >"$work/sources/$(basename "$list" .list).list"
done
for list in /etc/apt/sources.list.d/*.sources; do
	sed -E 's/^(Types:).*/\1 deb-src/' "$list" >"$work/sources/${list##*/}"
done
apt_source=(-q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources" -o Dir::State::Lists="$work/lists"
	-o APT::Sandbox::User=root)
apt-get "${apt_source[@]}" update || true	# one mirror with the source package is enough

# A mirror may list a version without having its files; then the version before is taken.
tarball=
for version in $(apt-cache "${apt_source[@]}" showsrc "postgresql-$major" | sed -n 's/^Version: //p' | sort -rVu); do
	if (cd "$work" && apt-get "${apt_source[@]}" source --download-only "postgresql-$major=$version"); then
		tarball=$(echo "$work"/*.orig.tar.*)
		break
	fi
done
[ -e "$tarball" ] || { echo "debug_server: no mirror has the source package postgresql-$major" >&2; exit 1; }

# The original release, without Debian's patches, which move folders.
mkdir "$work/tree"
tar -C "$work/tree" --strip-components=1 -xf "$tarball"
cd "$work/tree"
./configure --quiet --prefix="$folder" --enable-cassert --enable-debug --enable-tap-tests --with-icu --with-libxml --without-readline \
	CFLAGS='-Og -fno-omit-frame-pointer' CPPFLAGS=-DUSE_VALGRIND "$@"
make -s -j"$(nproc)"
make -s install
make -s -j"$(nproc)" -C contrib install
cp src/tools/valgrind.supp "$folder"
# pgTAP is SQL and does not depend on the build.
cp "/usr/share/postgresql/$major/extension"/pgtap* "$("$folder/bin/pg_config" --sharedir)/extension"
touch "$folder/complete"
