#!/bin/bash
# major.sh - prints the major version of PostgreSQL to build against and to test with.
#
# This is PG_MAJOR if it is set; else the version of the server that PG_CONFIG names; else the newest version that the machine
# has; else the distribution's. Fails if there is none, or if it is older than 15.
set -uo pipefail

installed()
{
	local server newest=0

	for server in /usr/lib/postgresql/*/bin/postgres; do
		[[ $server =~ /([0-9]+)/bin/ ]] && [ "${BASH_REMATCH[1]}" -gt "$newest" ] && newest=${BASH_REMATCH[1]}
	done
	[ "$newest" = 0 ] || echo "$newest"
}

# The package `postgresql` depends on the package of the distribution's version.
distributed()
{
	apt-cache show postgresql 2>/dev/null | sed -nE '/^Depends:/s/.*\bpostgresql-([0-9]+)\b.*/\1/p' | sort -rn | head -1
}

named()
{
	[ "${PG_CONFIG:-pg_config}" = pg_config ] || "$PG_CONFIG" --version 2>/dev/null | sed -nE 's/^PostgreSQL ([0-9]+).*/\1/p'
}

major=${PG_MAJOR:-$(named)}
major=${major:-$(installed)}
major=${major:-$(distributed)}
case $major in
"" | *[!0-9]*)
	echo "no version of PostgreSQL: none is installed, and the distribution's is not known${major:+ (PG_MAJOR=$major)}" >&2
	exit 1
	;;
esac
if [ "$major" -lt 15 ]; then
	echo "xmcoh needs PostgreSQL 15 or later, not $major: PG_MAJOR=... or PG_CONFIG=... names another one" >&2
	exit 1
fi
echo "$major"
