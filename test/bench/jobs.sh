#!/bin/bash
# jobs.sh - the cost of training jobs, in a server of its own; part of `make bench`. Appends lines what|measured|unit|op|target to $RESULTS.
# Times are elapsed times: the machine should be idle. IDLE: seconds for which the launcher is observed.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/bench/others.sh
. "$(dirname "$0")/others.sh"
# shellcheck source=test/bench/python.sh
. "$(dirname "$0")/python.sh"

RESULTS=$(realpath "${RESULTS:-/dev/null}")	# without it the lines are only printed
IDLE=${IDLE:-60}
BATCH=64
EPOCHS=3

cluster_prepare
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
cluster_start jobs shared_buffers=256MB shared_preload_libraries=xmcoh max_wal_size=4GB
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
row() { printf '%s\n' "$1" | tee -a "$RESULTS"; }

sql -v documents=1600 -v batch="$BATCH" -f "$TREE/test/bench/jobs.sql" -o /dev/null

# ---- the launcher without jobs ----

ticks() { awk '{ print $14 + $15 }' "/proc/$launcher/stat"; }
launcher=$(sql -c "SELECT pid FROM pg_stat_activity WHERE backend_type = 'xmcoh launcher'")
sleep 2
before=$(ticks)
sleep "$IDLE"
row "$(awk -v ms="$(($(ticks) - before))e1" -v s="$IDLE" \
	'BEGIN { printf "launcher with nothing to do for %d s, processor time (in ticks of 10)|%d|ms|<=|%d", s, ms, (50 * s / 600 > 10 ? 50 * s / 600 : 10) }')"

# ---- epochs of the paper-size model ----

# [MODEL=NAME] job WORKERS EPOCHS [SETTING=VALUE...]: starts a job
job()
{
	local workers=$1 epochs=$2 setting set=

	shift 2
	for setting in "$@"; do set+="SET xmcoh.$setting;"; done
	sql -c "SET xmcoh.training_workers = $workers; $set SELECT xmcoh.train('${MODEL:-paper}', '{\"epochs\": $epochs}', on_success => 'keep')"
}
seconds()
{
	[ "$(sql -c "CALL xmcoh.wait_for_job($1)")" = succeeded ] || die "$(sql -c "SELECT message FROM xmcoh.job WHERE job_id = $1")"
	sql -c "SELECT extract(epoch FROM finished_at - started_at) FROM xmcoh.job WHERE job_id = $1"
}
# per_epoch WORKERS: seconds; the difference of two runs, so that reading and saving do not count; the faster of two for each
per_epoch()
{
	local epochs

	for epochs in 1 $((EPOCHS + 1)); do
		for _ in 1 2; do seconds "$(job "$1" "$epochs" "checkpoint_interval = 3600")"; done | sort -n | head -1 || exit
	done | awk -v n="$EPOCHS" '{ s[NR] = $1 } END { print (s[2] - s[1]) / n }'
}
others_begin jobs
one=$(per_epoch 1)
two=$(per_epoch 2)
trained=$(sql -c "SELECT (report ->> 'documents')::int - (report ->> 'held_out_documents')::int FROM xmcoh.model_version LIMIT 1")

# The PyTorch training does no scoring between epochs; xmcoh does.
if OPENBLAS_NUM_THREADS=1 "$PYTHON" -c 'import torch' 2>/dev/null; then
	version=$("$PYTHON" -c 'import torch; print(torch.__version__)')
	pytorch() { OPENBLAS_NUM_THREADS=$1 "$PYTHON" "$ROOT/test/bench/python_training.py" "$1" "$BATCH" "$2" "$3"; }
	faster() { awk -v theirs="$1" -v epoch="$2" -v n="$trained" -v items="${3:-8.5}" \
		'BEGIN { printf "%.2f", theirs * n / (epoch * items / 8.5) }'; }
	row "training, paper-size model, documents of 5 to 12 items, 1 core: faster than PyTorch $version|$(faster "$(pytorch 1 5 12)" "$one")|x|>=|1.2"
	row "  and 2 cores|$(faster "$(pytorch 2 5 12)" "$two")|x|>=|1.2"
	row "  if all had 8 items, so that PyTorch pads nothing (ours by the number of items): 1 core|$(faster "$(pytorch 1 8 8)" "$one" 8)|x||"
	row "$(others_row)"
else
	say "****  skipped: PyTorch. $PYTHON has no torch (PYTHON= names another).  ****"
fi

# ---- cancel ----

# cancel_longest TIMES WORKERS: ms; each cancel is at another moment
cancel_longest()
{
	local k id

	for k in $(seq "$1"); do
		id=$(job "$2" 1000)
		sql -c "SELECT pg_sleep(0.3 + 0.05 * $k)" >/dev/null
		sql -c "CALL bench.cancel($id, NULL)"
	done | sort -n | tail -1
}
row "cancel to 'cancelled', paper-size model, 30 times: longest|$(cancel_longest 30 1)|ms|<=|1000"
row "  of two processes, 10 times|$(cancel_longest 10 2)|ms|<=|1000"
row "  while it reads a source that takes minutes, 10 times|$(MODEL=reading cancel_longest 10 1)|ms|<=|1000"
row "from train to a worker that begins, median of these|$(sql -c "SELECT round(1000 * percentile_cont(0.5) WITHIN GROUP
	(ORDER BY extract(epoch FROM started_at - created_at))) FROM xmcoh.job WHERE state = 'cancelled'")|ms|<=|1000"

# ---- queries during a job ----

pgbench -i -s 10 -q >/dev/null 2>&1
latency() # of pgbench's own transactions: mean and 99th percentile, ms
{
	rm -f "$WORK/t/latency".*
	as_server env -C "$WORK/t" pgbench -n -c 2 -T 15 -l --log-prefix=latency >/dev/null 2>&1
	cat "$WORK/t/latency".* | awk '{ print $3 / 1000 }' | sort -n | awk '{ v[NR] = $1; sum += $1 }
		END { printf "%.2f|%.2f", sum / NR, v[int(NR * 0.99)] }'
}
show_latency() { row "pgbench, 2 clients on $(nproc) cores, $1: mean|${2%|*}|ms||"; row "  99 of 100 within|${2#*|}|ms||"; }
show_latency "no training" "$(latency)"
id=$(job 1 1000)
show_latency "training with 1 worker" "$(latency)"
sql -c "CALL bench.cancel($id, NULL)" >/dev/null
id=$(job 1 1000 "nice = 19")
show_latency "training with 1 worker, xmcoh.nice = 19" "$(latency)"
sql -c "CALL bench.cancel($id, NULL)" >/dev/null
