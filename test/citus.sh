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

# ---- what is compared ----

# run SERVER FILE [variable=value...]: the output of test/citus.sql, without the paths and lines of error messages
run()
{
	local server=$1 file=$2 distributed=on
	shift 2
	[ "$server" != single ] || distributed=off
	# shellcheck disable=SC2046
	on "$server" -d factory -v distributed=$distributed -v encoder="$WORK/encoder" $(printf -- '-v %s ' "$@") -f "$TREE/test/citus.sql" 2>&1 |
		sed -E 's#^psql:[^ ]*/citus\.sql:[0-9]+: ##; /^CONTEXT:  while executing command on/d' >"$LOGS/$server-$file"
}

servers="single coordinator worker1 worker2"
as_server perl "$TREE/test/encoder/tiny_encoder.pl" "$WORK/encoder" bert || die "cannot make a text encoder"
for server in $servers; do on $server -c 'CREATE DATABASE factory' || die "no database on $server"; done 2>"$LOGS/createdb.log"
for server in coordinator worker1 worker2; do on $server -d factory -c 'CREATE EXTENSION citus' || die "no Citus on $server"; done
on coordinator -d factory -c "SELECT citus_set_coordinator_host('127.0.0.1', $PORT)" \
	-c "SELECT citus_add_node('127.0.0.1', $((PORT + 1)))" >/dev/null || die "cannot make the cluster"
for server in single coordinator; do
	on $server -d factory -c 'CREATE EXTENSION xmcoh' -c 'CREATE ROLE dashboard LOGIN' -c "SELECT xmcoh.grant_usage('dashboard')" >/dev/null ||
		die "no xmcoh on $server"
	run $server setup.out setup=on
done
sed -i '/^$/d' "$LOGS"/*-setup.out	# of create_distributed_table
same "training on distributed tables gives the weights of one node" "$(cat "$LOGS/coordinator-setup.out")" "$(cat "$LOGS/single-setup.out")"

# One worker, then the other: a worker that is added later gets the models by one call again.
error=$(on coordinator -d factory -c "SELECT xmcoh.coherence('manuals', step_no, instruction, NULL) FROM work_step GROUP BY manual_id" 2>&1)
case $error in
*'model "manuals" does not exist'*'`xmcoh cluster add` copies it to all nodes'*) ok "without copies the error of a node names the command" ;;
*) not_ok "without copies the error of a node names the command"; say "# $error" ;;
esac
xmcoh cluster add -p "$PORT" -d factory; check $? "xmcoh cluster add, one worker"
on coordinator -d factory -c "SELECT citus_add_node('127.0.0.1', $((PORT + 2)))" -c 'SELECT citus_rebalance_start(shard_transfer_mode => '\''block_writes'\'')' \
	-c 'SELECT citus_rebalance_wait()' >"$LOGS/rebalance.log" 2>&1; check $? "a second worker, with its share of the rows"
xmcoh cluster status -p "$PORT" -d factory >"$LOGS/status.log" 2>&1
check $(($? == 0)) "xmcoh cluster status says that it has no copies"
xmcoh cluster add -p "$PORT" -d factory; check $? "xmcoh cluster add, two workers"
xmcoh cluster status -p "$PORT" -d factory; check $? "both are up to date"
same "rows are on both workers" "$(on coordinator -d factory -c 'SELECT count(DISTINCT nodename || nodeport) FROM citus_shards' \
	-c 'SELECT count(*) FROM pg_dist_node WHERE groupid <> 0')" $'2\n2'

for server in single coordinator; do run $server answers.out setup=off; done
for block in $(seq 1 "$(grep -c '^== ' "$LOGS/single-answers.out")"); do
	part() { awk -v n="$block" '/^== / { k++ } k == n' "$LOGS/$1-answers.out"; }
	same "the same as on one node: $(part single | head -1 | cut -c4-)" "$(part coordinator)" "$(part single)"
done
same "nothing else is printed" "$(wc -l <"$LOGS/coordinator-answers.out")" "$(wc -l <"$LOGS/single-answers.out")"
untested=$(grep -oE 'xmcoh\.[a-z_]+\(' "$ROOT/README.md" | sort -u | tr -d '(' | while read -r name; do
	grep -q "$name(" "$ROOT/test/citus.sql" || echo "${name#xmcoh.}"; done | tr '\n' ' ')
# These read or write the coordinator's own tables alone, or are tested by the lines of this script.
same "every function of README that reads rows is compared" "$untested" \
	"alter_schedule cancel_job check_options detach_pairs enforce_order grant_encoder grant_usage next_run options resume_job revoke_model revoke_usage schedule_training unenforce_order unschedule_training "

# ---- rights, and what Citus cannot do ----

call="SELECT md5(string_agg(c::text, ',' ORDER BY manual_id)) FROM (SELECT manual_id, xmcoh.coherence('%s', step_no, instruction, photo_embedding) AS c FROM work_step GROUP BY manual_id) AS s"
as_dashboard() { on "$1" -U dashboard -d factory -c "$(printf "$call" "$2")" 2>&1; }
same "a role with level score" "$(as_dashboard coordinator manuals)" "$(as_dashboard single manuals)"
case $(as_dashboard coordinator secret) in
*'permission denied for model "secret"'*) ok "and without it, on the workers" ;;
*) not_ok "and without it, on the workers" ;;
esac
for server in worker1 worker2; do
	same "grant_usage has come to $server" "$(on $server -d factory -c "SELECT pg_has_role('dashboard', 'xmcoh_user', 'MEMBER')")" t
done
case $(on coordinator -d factory -c "SELECT xmcoh.enforce_order('manuals', 'work_step')" 2>&1) in
*'is a distributed table'*'xmcoh.validate_document'*) ok "enforce_order names what takes its place" ;;
*) not_ok "enforce_order names what takes its place" ;;
esac

# ---- a worker that is down ----

cluster_stop worker2
out=$(xmcoh cluster add -p "$PORT" -d factory 2>&1); status=$?
case "$status $out" in
"1 "*": up to date"*) ok "a worker that is down is reported, the other is served" ;;
*) not_ok "a worker that is down is reported, the other is served"; say "# $status $out" ;;
esac
as_server pg_ctl --pgdata="$WORK/worker2" --log="$WORK/worker2/server.log" --wait start >/dev/null
xmcoh cluster add -p "$PORT" -d factory; check $? "and is repaired by one call"

# ---- how fast: documents ordered by one node, and by two workers ----

rows=${CITUS_DOCUMENTS:-30000}
for server in single coordinator; do
	on $server -d factory -c "INSERT INTO work_step SELECT 'X' || n, s.step_id, s.step_no, s.instruction, s.photo_embedding, false
		FROM generate_series(1, $rows) AS n JOIN work_step AS s ON s.manual_id = 'M' || 101 + n % 130" >"$LOGS/more.log" 2>&1
done
# Processor seconds of a server and its children, dead ones included, from /proc.
processor_time()
{
	local pid
	pid=$(head -1 "$WORK/$1/postmaster.pid")
	for child in $pid $(pgrep -P "$pid"); do cat "/proc/$child/stat" 2>/dev/null; done |
		awk -v hz="$(getconf CLK_TCK)" -v pid="$pid" '{ sub(/^.*\) /, ""); sum += $12 + $13; if (NR == 1) sum += $14 + $15 } END { printf "%.2f\n", sum / hz }'
}
# One process for each worker, as for the one node.
order="SELECT set_config('citus.max_adaptive_executor_pool_size', '1', false) IS NOT NULL; SELECT count(*), md5(string_agg(o::text, '' ORDER BY manual_id)) FROM (SELECT manual_id,
	xmcoh.recover_order('manuals', step_id, instruction, photo_embedding) AS o FROM work_step GROUP BY manual_id) AS s"
for server in single coordinator; do on $server -d factory -c "$order" >"$LOGS/warm-$server.log" 2>&1; done
same "$rows documents more are ordered as on one node" "$(cat "$LOGS/warm-coordinator.log")" "$(cat "$LOGS/warm-single.log")"
declare -A before
for turn in 1 2 3; do
	for server in $servers; do before[$server]=$(processor_time $server); done
	t0=$(date +%s.%N)
	on single -d factory -c 'SET max_parallel_workers_per_gather = 0' -c "$order" >/dev/null
	t1=$(date +%s.%N)
	on coordinator -d factory -c "$order" >/dev/null
	t2=$(date +%s.%N)
	sleep 0.5	# processes that have ended are counted with their parent
	for server in $servers; do echo "$server $(processor_time $server) ${before[$server]}"; done |
		awk -v t0="$t0" -v t1="$t1" -v t2="$t2" '{ used[$1] = $2 - $3 }
			END { busiest = used["worker1"] > used["worker2"] ? used["worker1"] : used["worker2"]
				printf "# one node %.2f s of processor time, workers %.2f and %.2f s, coordinator %.2f s; ratio by the busiest worker %.2f, by the clock %.2f\n",
					used["single"], used["worker1"], used["worker2"], used["coordinator"], used["single"] / busiest, (t1 - t0) / (t2 - t1) }'
done

# ---- remove ----

xmcoh cluster remove -p "$PORT" -d factory; check $? "xmcoh cluster remove"
same "nothing is left" "$(for server in coordinator worker1 worker2; do on $server -d factory \
	-c "SELECT (SELECT count(*) FROM pg_replication_slots WHERE slot_name ~ '^xmcoh_'), (SELECT count(*) FROM pg_publication WHERE pubname ~ '^xmcoh'), (SELECT count(*) FROM pg_subscription WHERE subname ~ '^xmcoh')"; done)" \
	$'0|0|0\n0|0|0\n0|0|0'
say "1..$number"
say "# $((number - failed)) passed, $failed failed; the outputs are in build/citus"
[ "$failed" = 0 ]
