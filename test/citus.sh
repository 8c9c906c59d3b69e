#!/bin/bash
# citus.sh - builds Citus from the source in CITUS, starts a coordinator with two workers and one plain server, and compares what
# xmcoh answers on distributed tables with what it answers on one node, byte for byte (test/citus.sql has the queries).
#
#   CITUS=folder    source of Citus 12.1 or 13.x for PostgreSQL 15; skipped loudly without it
#   KEEP=1          keeps the clusters and their logs
#
# The folder is only read. What was built from it is kept in build/citus-*.tar for the next time.
set -uo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

if [ ! -e "${CITUS:-}/src/backend/distributed/citus.control" ]; then
	say "1..0 # skip no source of Citus: NOTHING WAS TESTED on distributed tables; make check-citus CITUS=folder of its source"
	exit 0
fi
CITUS=$(cd "$CITUS" && pwd)
LOGS=$ROOT/build/citus
PORT=$((20000 + $$ % 10000 * 3))	# of the coordinator, on 127.0.0.1; the workers have the next two
number=0 failed=0
mkdir -p "$LOGS"

ok() { number=$((number + 1)); say "ok $number - $*"; }
not_ok() { number=$((number + 1)); failed=$((failed + 1)); say "not ok $number - $*"; }
check() { if [ "$1" = 0 ]; then ok "$2"; else not_ok "$2"; fi; }
# same WHAT A B: the texts are equal, and not empty
same() { if [ -n "$2" ] && [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1"; say "#   got: $2"; say "#   not: $3"; fi; }

# on NAME [psql options]: psql at a server, by its name
on()
{
	local port
	case $1 in single) port=$PGPORT ;; coordinator) port=$PORT ;; worker1) port=$((PORT + 1)) ;; worker2) port=$((PORT + 2)) ;; esac
	shift
	psql -XAtq -v ON_ERROR_STOP=1 -p "$port" "$@"
}

# ---- Citus ----

# Builds Citus in the working folder and installs its libraries and scripts into the copied PostgreSQL.
citus_build()
{
	local key built flags

	key=$( (cd "$CITUS" && find configure vendor src -name '*.[chl]' -o -name '*.sql' -o -name configure | LC_ALL=C sort | xargs cksum; "$PG_CONFIG" --version) |
		cksum | cut -d' ' -f1)
	built=$ROOT/build/citus-$key.tar
	if [ ! -e "$built" ]; then
		bash "$ROOT/test/setup.sh" libzstd-dev liblz4-dev libkrb5-dev || return 1
		as_server mkdir "$WORK/citus" "$WORK/citus-files"
		tar -C "$CITUS" --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude=.deps --exclude=config.status \
			--exclude=Makefile.global -cf - . | as_server tar -C "$WORK/citus" --no-same-owner -xf - || return 1
		flags=$(pkg-config --cflags libpq)
		as_server env -C "$WORK/citus" ./configure PG_CONFIG="$PG_CONFIG" --without-libcurl &&
			as_server "$MAKE" -C "$WORK/citus" -j"$JOBS" with_llvm=no COPT="$flags" extension &&
			as_server "$MAKE" -C "$WORK/citus" with_llvm=no COPT="$flags" DESTDIR="$WORK/citus-files" install-extension || return 1
		tar -C "$WORK/citus-files$WORK/server" -cf "$built.new" . && mv "$built.new" "$built" || return 1
	fi
	as_server tar -C "$WORK/server" --no-overwrite-dir --no-same-owner -xf - <"$built"
}

cluster_prepare
export PGHOST
say "# building Citus from $CITUS, and xmcoh"
citus_build >"$LOGS/build-citus.log" 2>&1 || { tail -20 "$LOGS/build-citus.log"; die "cannot build Citus: see build/citus/build-citus.log"; }
cluster_build WERROR=1 >"$LOGS/build.log" 2>&1 || die "cannot build xmcoh: see build/citus/build.log"

start()
{
	local name=$1 port=$2
	shift 2
	PGPORT=$port cluster_start "$name" autovacuum=off max_connections=40 max_prepared_transactions=20 "$@" || die "cannot start $name"
}
start single "$PGPORT"
start coordinator "$PORT" listen_addresses=127.0.0.1 shared_preload_libraries=citus wal_level=logical
start worker1 $((PORT + 1)) listen_addresses=127.0.0.1 shared_preload_libraries=citus
start worker2 $((PORT + 2)) listen_addresses=127.0.0.1 shared_preload_libraries=citus
for name in coordinator worker1 worker2; do on $name -c 'CREATE EXTENSION citus' || die "no Citus on $name"; done
on coordinator -c "SELECT citus_set_coordinator_host('127.0.0.1', $PORT)" -c "SELECT citus_add_node('127.0.0.1', $((PORT + 1)))" \
	-c "SELECT citus_add_node('127.0.0.1', $((PORT + 2)))" >/dev/null || die "cannot make the cluster"
