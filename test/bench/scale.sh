#!/bin/bash
# scale.sh - `make bench-scale [DOCUMENTS=1000000]`: generates documents of 8 steps, trains on a sample, and orders all of them, by the
# recipe of doc/scaling.md, and in one call. Prints times, memory and disk on the way. A million documents take 6 GB in /tmp.
# This is not a test: the figures are of this machine. Processor time tells more than elapsed time where other processes run.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"

DOCUMENTS=${DOCUMENTS:-1000000}	# make exports a variable of its command line
SAMPLE=${SAMPLE:-2000}		# documents that training reads
WORKERS=${WORKERS:-0}		# xmcoh.scoring_workers

cluster_prepare
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
# One session, without parallel query, so that its memory is the memory of the whole.
cluster_start scale shared_buffers=128MB work_mem=4MB max_parallel_workers_per_gather=0 jit=off max_wal_size=2GB autovacuum=off \
	wal_level=minimal max_wal_senders=0 xmcoh.scoring_workers="$WORKERS" shared_preload_libraries=xmcoh
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

started=$SECONDS
sql -v documents="$DOCUMENTS" -v sample="$SAMPLE" -f "$TREE/test/bench/scale.sql" -o /dev/null
say "$DOCUMENTS documents of 8 steps: $(sql -c "SELECT pg_size_pretty(pg_total_relation_size('work_step'))"), generated, and" \
	"a model trained on $SAMPLE of them: $((SECONDS - started)) s, load $(cut -d' ' -f1 /proc/loadavg)"

processor_s() { awk '{ printf "%.2f", $1 / 1e9 }' "/proc/$1/schedstat"; }

# Writes into $WORK/peak, for a process: the largest private memory and the largest size of temporary files so far, in MB, and its
# processor time.
watch_process()
{
	local pid=$1 memory=0 disk=0 now

	while kill -0 "$pid" 2>/dev/null; do
		now=$(awk '/^RssAnon/ { printf "%d", $2 / 1024 }' "/proc/$pid/status" 2>/dev/null) || break
		[ "${now:-0}" -le "$memory" ] || memory=$now
		now=$(find "$WORK/scale/base/pgsql_tmp" -name 'pgsql_tmp[0-9]*' -printf '%s\n' 2>/dev/null | awk '{ n += $1 } END { printf "%d", n / 1048576 }') || now=0
		[ "$now" -le "$disk" ] || disk=$now
		now=$(processor_s "$pid" 2>/dev/null) || break
		echo "$memory $disk $now" >"$WORK/peak.new" && mv "$WORK/peak.new" "$WORK/peak"
		sleep 0.2
	done
}

pid_of() { sql -c "SELECT pid FROM pg_stat_activity WHERE application_name = '$1'"; }

# ---- by ranges of keys, as doc/scaling.md says ----

sed -n '/^<!-- bulk -->/,/^```$/p' "$TREE/doc/scaling.md" | grep -vE '^(<!--|```)' | sql -f -
order_ranges() { PGAPPNAME=ordering sql -c "CALL order_ranges('manuals')"; }
ranges=$(sql -c "SELECT count(*) FROM order_range")
done_ranges() { sql -c "SELECT count(done_at) FROM order_range"; }

# The session is terminated after some ranges; another one goes on.
order_ranges 2>/dev/null &
first=$!
while [ "$(done_ranges)" -lt $((ranges / 20 + 1)) ]; do sleep 0.1; done
sql -o /dev/null -c "SELECT pg_terminate_backend($(pid_of ordering))"
wait "$first" && die "the first session was not terminated"
before=$(done_ranges)
say "terminated after $before of $ranges ranges; another session goes on"

echo "|  documents | elapsed | a second | processor time | microseconds each | private memory | temporary files | restored_step |"
order_ranges &
second=$!
while pid=$(pid_of ordering); [ -z "$pid" ]; do sleep 0.05; done
watch_process "$pid" &
watcher=$!
start=$(date +%s.%N) step=1 last_s=$start last_cpu=0 last_n=$before
while [ "$step" -le 10 ]; do
	kill -0 "$second" 2>/dev/null || [ "$(done_ranges)" = "$ranges" ] || die "the session has ended early"
	n=$(done_ranges)
	if [ "$n" -ge $(((ranges * step + 9) / 10)) ] && [ "$n" -gt "$last_n" ]; then
		now=$(date +%s.%N)
		read -r memory disk cpu <"$WORK/peak"
		size=$(sql -c "SELECT pg_total_relation_size('restored_step') / 1048576")
		awk -v n=$((DOCUMENTS / ranges * n)) -v some=$((DOCUMENTS / ranges * (n - last_n))) -v start="$start" -v from="$last_s" -v to="$now" \
			-v cpu="$cpu" -v last_cpu="$last_cpu" -v memory="$memory" -v disk="$disk" -v size="$size" 'BEGIN {
			printf "| %10d | %5.0f s | %8.0f | %12.1f s | %17.0f | %11.0f MB | %12.0f MB | %10.0f MB |\n", n, to - start, some / (to - from), cpu,
				1e6 * (cpu - last_cpu) / some, memory, disk, size }'
		last_s=$now last_cpu=$cpu last_n=$n step=$((n * 10 / ranges + 1))
	fi
	sleep 0.1
done
wait "$second"
wait "$watcher"
sql -c "SELECT format('%s rows of %s documents, each item once: %s; load', count(*), count(DISTINCT manual_id), count(*) = count(DISTINCT (manual_id, step_id)))
          FROM restored_step" | sed "s|\$| $(cut -d' ' -f1 /proc/loadavg)|"

# ---- in one call ----

echo "|  documents | elapsed | processor time | private memory | temporary files |  (one call of order_documents)"
for model in tenth manuals; do
	start=$(date +%s.%N)
	PGAPPNAME=$model sql -c "SELECT count(*) FROM xmcoh.order_documents('$model')" \
		-c "SELECT split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e9" >"$WORK/call" &
	call=$!
	while pid=$(pid_of "$model"); [ -z "$pid" ]; do sleep 0.05; done
	watch_process "$pid"
	wait "$call"
	read -r memory disk _ <"$WORK/peak"
	awk -v start="$start" -v end="$(date +%s.%N)" -v memory="$memory" -v disk="$disk" '
		NR == 1 { items = $1 }
		NR == 2 { printf "| %10d | %5.0f s | %12.1f s | %11.0f MB | %12.0f MB |\n", items / 8, end - start, $1, memory, disk }' "$WORK/call"
done
