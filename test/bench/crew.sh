#!/bin/bash
# crew.sh - how much faster a paper-size network trains with two processes than with one; part of `make bench`. Appends lines
# what|measured|unit|op|target to $RESULTS.
#
# Elapsed time of whole jobs in a server: the time of some more epochs, held-out scoring and progress included. One process and two
# processes alternate. The fastest run of each counts, because other processes on a core make a run slower, never faster.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/bench/others.sh
. "$(dirname "$0")/others.sh"

RESULTS=$(realpath "${RESULTS:-/dev/null}")	# without it the lines are only printed
BATCHES=${BATCHES:-16 64}	# documents of a minibatch, of 8 items each
ROUNDS=${ROUNDS:-3}
MORE=${MORE:-3}	# epochs

[ "$(nproc)" -ge 2 ] || { say "****  skipped: training with two processes. There is one core here.  ****"; exit 0; }
cluster_prepare
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
cluster_start crew shared_buffers=128MB
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

sql >/dev/null <<SQL
SET client_min_messages = warning;
CREATE EXTENSION xmcoh;
SELECT setseed(0.5);
CREATE TABLE pool AS
    SELECT k, (SELECT array_agg((random() - 0.5)::real) FROM generate_series(1, 512 + 0 * k)) AS image
      FROM generate_series(0, 996) AS k;
CREATE TABLE step (document int, step_no int, image real[]);
SELECT xmcoh.create_model('paper', image_dim => 512, words => false, options =>
           '{"d_model": 768, "layers": 2, "heads": 4, "feed_forward": 512, "folds": 0, "bilinear_dim": 0, "patience": 100}'),
       xmcoh.attach_source('paper', 'step', document => 'document', item => 'step_no', image => 'image',
                           "position" => 'step_no', approved => 'all');
SQL

# seconds WORKERS BATCH EPOCHS
seconds()
{
	local job

	sql -c "ALTER DATABASE postgres SET xmcoh.training_workers = $1"
	job=$(sql -c "SELECT xmcoh.train('paper', '{\"batch_documents\": $2, \"epochs\": $3}', on_success => 'keep')")
	[ "$(sql -c "CALL xmcoh.wait_for_job($job)")" = succeeded ] || die "$(sql -c "SELECT message FROM xmcoh.job WHERE job_id = $job")"
	[ "$(sql -c "SELECT message LIKE '%processes%' FROM xmcoh.job WHERE job_id = $job")" = f ] || die "a process was missing"
	sql -c "SELECT extract(epoch FROM finished_at - started_at) FROM xmcoh.job WHERE job_id = $job"
}

others_begin crew
for batch in $BATCHES; do
	documents=$((batch * 20))	# fewer documents give smaller minibatches: an epoch has 16 steps or more
	sql -c "TRUNCATE step" -c "INSERT INTO step SELECT d, i, p.image FROM generate_series(1, $documents) AS d
		CROSS JOIN generate_series(1, 8) AS i JOIN pool AS p ON p.k = (d * 31 + i * 101) % 997"
	measured=
	for _ in $(seq "$ROUNDS"); do
		for workers in 1 2; do measured+="$workers $(seconds $workers "$batch" 1) $(seconds $workers "$batch" $((MORE + 1)))"$'\n'; done
	done
	awk -v documents="$documents" -v batch="$batch" -v more="$MORE" '
		$1 {
			if (!($1 in few) || $2 < few[$1]) few[$1] = $2
			if (!($1 in many) || $3 < many[$1]) many[$1] = $3
		}
		END {
			one = (many[1] - few[1]) / more; two = (many[2] - few[2]) / more
			printf "training, paper size, minibatches of %d: an epoch of %d documents, one process|%.2f|s||\n", batch, documents, one
			printf "training, paper size, minibatches of %d: two processes against one|%.2f|x|>=|1.7\n", batch, one / two
		}' <<<"$measured" | tee -a "$RESULTS"
done
others_row | tee -a "$RESULTS"
