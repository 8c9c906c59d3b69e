#!/bin/bash
# setup.sh - installs the packages of Debian or Ubuntu that building and testing need and that are missing.
#
# The server is the one that PG_CONFIG names, which then needs no package; else the packages of one major version of PostgreSQL:
# PG_MAJOR, else the newest that the machine has, else the distribution's. Arguments name further packages.
set -euo pipefail
here=$(dirname "$0")

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
# as_root_or_die WHAT: ends the script if neither root nor sudo can install WHAT.
as_root_or_die()
{
	if [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; then
		echo "setup: these packages are missing, and installing them takes root or sudo: $*" >&2
		exit 1
	fi
}

# A machine without PostgreSQL and without lists of packages knows the distribution's version after an update.
if ! major=$(bash "$here/major.sh" 2>/dev/null); then
	as_root_or_die postgresql
	"${as_root[@]}" apt-get update -q
	major=$(bash "$here/major.sh")
fi

packages=(
	gcc make pkg-config libc6-dev
	libicu-dev libopenblas-serial-dev zlib1g-dev libpq-dev
	libcmocka-dev clang libclang-rt-dev
	libtap-parser-sourcehandler-pgtap-perl perl libipc-run-perl procps
	pgbouncer
	python3 python3-venv
	libxml2-utils
	ca-certificates
	"$@"
)
case $(command -v "${PG_CONFIG:-pg_config}" || true) in
"" | /usr/bin/* | /usr/lib/postgresql/*)
	packages+=(postgresql-common "postgresql-$major" "postgresql-client-$major" "postgresql-server-dev-$major"
		"postgresql-$major-pgtap" "postgresql-$major-cron")
	# Debian 12, which has PostgreSQL 15, has no package of pgvector.
	[ "$major" -eq 15 ] || packages+=("postgresql-$major-pgvector")
	;;
esac

missing=()
for package in "${packages[@]}"; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
as_root_or_die "${missing[@]}"

# A server that is installed only for tests must not create and start a cluster. The setting is removed after the installation.
no_cluster=/etc/postgresql-common/createcluster.d/xmcoh-setup.conf
if [ ! -e "/usr/lib/postgresql/$major/bin/postgres" ]; then
	"${as_root[@]}" mkdir -p "${no_cluster%/*}"
	echo 'create_main_cluster = false' | "${as_root[@]}" tee "$no_cluster" >/dev/null
	trap '"${as_root[@]}" rm -f "$no_cluster"' EXIT
fi

echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
