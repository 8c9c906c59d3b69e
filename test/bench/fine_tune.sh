#!/bin/bash
# fine_tune.sh - an epoch of fine-tuning in the server, by one process and by two, beside PyTorch with as many threads; part of `make bench`.
# Appends lines what|measured|unit|op|target to $RESULTS.
#
# 500 documents of 5 steps of 20 tokens, a text encoder of MiniLM's shape with random weights, adapters on the last three layers. Elapsed
# time between epochs of a job, held-out scoring of 5 documents and progress included; one process and two processes alternate, and the
# fastest run of each counts. Besides, the processor time of leader and worker: on idle cores the larger of the two is the elapsed time.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/bench/others.sh
. "$(dirname "$0")/others.sh"
# shellcheck source=test/bench/python.sh
. "$(dirname "$0")/python.sh"

RESULTS=$(realpath "${RESULTS:-/dev/null}")	# without it the lines are only printed
ROUNDS=${ROUNDS:-2}
MORE=${MORE:-2}	# epochs with adapters that are measured, besides the first
LAYERS=3
BENCH=$(realpath build/bench/bench_fine_tune)

[ "$(nproc)" -ge 2 ] || { say "****  skipped: fine-tuning with two processes. There is one core here.  ****"; exit 0; }
cluster_prepare
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
cluster_start fine_tune shared_buffers=128MB
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

mkdir -p "$WORK/encoder"
"$BENCH" "$LAYERS" 8 "$WORK/encoder"
sql -c "CREATE EXTENSION xmcoh"
"$BINDIR/xmcoh" encoder load -d postgres minilm "$WORK/encoder" >/dev/null
sql >/dev/null <<SQL
SET client_min_messages = warning;
CREATE TABLE step AS SELECT d AS document, i AS step_no,
		(SELECT string_agg('w' || (d * 31 + i * 101 + k * 7 + d % 13 * k) % 996, ' ') FROM generate_series(1, 18) AS k) AS words
	FROM generate_series(1, 505) AS d, generate_series(1, 5) AS i;
SELECT xmcoh.create_model('tuned', encoder => 'minilm', words => false, options => '{"folds": 0, "evaluation_documents": 0, "epochs": 1,
	"patience": 100, "held_out": 0.01, "find_groups": 0, "fine_tune": $LAYERS, "adapter_rank": 8}'),
	xmcoh.attach_source('tuned', 'step', 'document', 'step_no', text => 'words', "position" => 'step_no', approved => 'all');
SQL

# Ticks of processor time of the processes whose title has this, in one sum.
ticks()
{
	local pid sum=0

	for pid in $(sql -c "SELECT pid FROM pg_stat_activity WHERE backend_type = '$1'"); do
		sum=$((sum + $(sed 's/^.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }')))
	done
	echo "$sum"
}

# Waits until so many epochs of a job's text network are written.
epochs_seen()
{
	until [ "$(sql -c "SELECT count(*) >= $2 OR (SELECT finished_at IS NOT NULL FROM xmcoh.job WHERE job_id = $1)
			FROM xmcoh.training_metric WHERE job_id = $1 AND phase = 'training text network' AND metric = 'train_loss'")" = t ]; do
		sleep 0.2
	done
}

# measure WORKERS: prints elapsed seconds of an epoch, and processor seconds of the leader and of the other process
measure()
{
	local job a b c d start

	sql -c "ALTER DATABASE postgres SET xmcoh.training_workers = $1"
	job=$(sql -c "SELECT xmcoh.train('tuned', '{\"fine_tune_epochs\": $((MORE + 3))}', on_success => 'keep')")
	epochs_seen "$job" 2
	start=$EPOCHREALTIME
	a=$(ticks "xmcoh job") b=$(ticks "xmcoh gradient")
	epochs_seen "$job" $((MORE + 2))
	c=$(ticks "xmcoh job") d=$(ticks "xmcoh gradient")
	awk -v start="$start" -v end="$EPOCHREALTIME" -v leader=$((c - a)) -v other=$((d - b)) -v more="$MORE" -v tick="$(getconf CLK_TCK)" \
		'BEGIN { printf "%.2f %.2f %.2f\n", (end - start) / more, leader / tick / more, other / tick / more }'
	sql -c "SELECT xmcoh.cancel_job($job)" >/dev/null
	sql -c "CALL xmcoh.wait_for_job($job)" >/dev/null
}

others_begin fine_tune
measured=
for _ in $(seq "$ROUNDS"); do
	for workers in 1 2; do measured+="$workers $(measure $workers)"$'\n'; done
done
theirs=$(OPENBLAS_NUM_THREADS=2 OMP_NUM_THREADS=2 "$PYTHON" test/bench/fine_tune.py 2 "$LAYERS") ||
	say "****  PyTorch cannot be used: the comparison of fine-tuning is left out  ****"
awk -v theirs="$theirs" '
	$1 {
		processor = $3 > $4 ? $3 : $4
		if (!($1 in wall) || $2 < wall[$1]) wall[$1] = $2
		if (!($1 in cpu) || processor < cpu[$1]) cpu[$1] = processor
	}
	END {
		printf "fine-tuning in the server: an epoch of 500 documents of 5 steps, one process|%.1f|s||\n", wall[1]
		printf "fine-tuning in the server: the same by two processes|%.1f|s||\n", wall[2]
		printf "fine-tuning in the server: two processes against one|%.2f|x|>=|1.7\n", wall[1] / wall[2]
		printf "fine-tuning in the server: the same by processor time|%.2f|x|>=|1.7\n", cpu[1] / cpu[2]
		if (theirs) printf "fine-tuning in the server: two processes, time over that of PyTorch with two threads|%.2f||<=|1\n", wall[2] / theirs
	}' <<<"$measured" | tee -a "$RESULTS"
others_row | tee -a "$RESULTS"
