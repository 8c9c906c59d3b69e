#!/bin/bash
# setup.sh - installs the Debian packages that building and testing need and that are missing.
# PG_MAJOR is the major version of PostgreSQL (15); arguments name further packages.
set -euo pipefail

major=${PG_MAJOR:-15}
packages=(
	gcc make pkg-config libc6-dev
	libicu-dev libopenblas-serial-dev zlib1g-dev libpq-dev
	postgresql-common "postgresql-$major" "postgresql-client-$major" "postgresql-server-dev-$major"
	libcmocka-dev libasan8 libubsan1 clang libclang-rt-dev
	"postgresql-$major-pgtap" libtap-parser-sourcehandler-pgtap-perl
	perl libipc-run-perl procps
	python3 python3-venv
	libxml2-utils
	ca-certificates
	"$@"
)

missing=()
for package in "${packages[@]}"; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "setup: these packages are missing, and installing them takes root or sudo: ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi

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
