#!/bin/bash
# memory.sh - how much memory training takes when its documents are four times xmcoh.training_memory; part of `make bench`.
# Appends lines what|measured|unit|op|target to $RESULTS.
#
# Measured against the setting: the peak resident memory of each process (VmHWM, with shared pages), less the peak of the same
# training on a few documents, which is the process, the model and the training state. Also the private memory of the job's process
# for a pool that is four times another one: its growth (some hundred bytes a document, whatever its size) against the size of a
# round's weak labels for both modalities, 24 bytes for each ordered pair.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"

RESULTS=$(realpath "${RESULTS:-/dev/null}")	# without it the lines are only printed
SETTING_MB=${SETTING_MB:-64}
WORKERS=${WORKERS:-2}
FEW=200
POOL=2000						# documents of 16 items; labels of 5.8 kB each

[ -r /proc/self/status ] || { say "****  skipped: memory of training. There is no /proc here.  ****"; exit 0; }
cluster_prepare
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
# The server's own cache should be a small part of the resident memory. The library is preloaded so that its settings are known.
cluster_start memory shared_buffers=2MB shared_preload_libraries=xmcoh xmcoh.training_memory="${SETTING_MB}MB" \
	xmcoh.training_workers="$WORKERS"
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

# 8 items of 512 numbers: 16.5 kB a document.
documents=$((4 * SETTING_MB * 1024 * 10 / 165))
sql >/dev/null <<SQL
SET client_min_messages = warning;
CREATE EXTENSION xmcoh;
SELECT setseed(0.5);
CREATE TABLE pool AS
    SELECT k, (SELECT array_agg((random() - 0.5)::real) FROM generate_series(1, 512 + 0 * k)) AS image
      FROM generate_series(0, 996) AS k;
CREATE TABLE step AS
    SELECT d AS document, i AS step_no, p.image FROM generate_series(1, $documents) AS d CROSS JOIN generate_series(1, 8) AS i
      JOIN pool AS p ON p.k = (d * 31 + i * 101) % 997;
CREATE VIEW few AS SELECT * FROM step WHERE document <= $FEW;
CREATE TABLE four_pools AS
    SELECT d AS document, i AS step_no, 'step ' || i AS words, ARRAY[i, sin(d), cos(d * i), i % 3]::real[] AS image, d <= 100 AS approved
      FROM generate_series(1, 100 + 4 * $POOL) AS d CROSS JOIN generate_series(1, 16) AS i;
CREATE VIEW pool_alone AS SELECT * FROM four_pools WHERE document <= 100 + $POOL;
SELECT xmcoh.create_model(s, image_dim => 4, options => '{"epochs": 2, "rounds": 1, "pool_documents": 1000000, "d_model": 16,
           "heads": 2, "feed_forward": 16, "layers": 1, "align_dim": 8}'),
       xmcoh.attach_source(s, s::regclass, document => 'document', item => 'step_no', text => 'words', image => 'image',
                           "position" => 'step_no', approved => 'approved')
  FROM unnest(ARRAY['pool_alone', 'four_pools']) AS s;
SELECT xmcoh.create_model(s, image_dim => 512, words => false, options => o::jsonb),
       xmcoh.attach_source(s, s::regclass, document => 'document', item => 'step_no', image => 'image',
                           "position" => 'step_no', approved => 'all')
  FROM (VALUES ('few', '{"epochs": 60, "patience": 60, "folds": 0}'), ('step', '{"epochs": 1}')) AS m (s, o);
SQL

# peak MODEL FIELD: trains MODEL; prints each kind of process with the largest value in kB of this field of its status
peak()
{
	local job state pid kind kb field=$2
	local -A most=()

	job=$(sql -c "SELECT xmcoh.train('$1')")
	while state=$(sql -c "SELECT state FROM xmcoh.job WHERE job_id = $job") && [[ $state =~ ^(queued|starting|running)$ ]]; do
		while read -r pid kind; do
			kb=$(awk -v field="$field:" '$1 == field { print $2 }' "/proc/$pid/status" 2>/dev/null) || continue
			[ "${kb:-0}" -le "${most[$kind]:-0}" ] || most[$kind]=$kb
		done < <(sql -F' ' -c "SELECT pid, split_part(backend_type, ' ', 2) FROM pg_stat_activity WHERE backend_type IN ('xmcoh job', 'xmcoh gradient')")
	done
	[ "$state" = succeeded ] || die "training: $(sql -c "SELECT message FROM xmcoh.job WHERE job_id = $job")"
	for kind in "${!most[@]}"; do echo "$kind ${most[$kind]}"; done
}

few=$(peak few VmHWM)
all=$(peak step VmHWM)
while read -r kind kb; do
	base=$(awk -v kind="$kind" '$1 == kind { print $2 }' <<<"$few")
	[ -n "$base" ] || continue	# the process ended before the first sample
	awk -v kind="$kind" -v kb="$kb" -v base="$base" -v setting="$SETTING_MB" 'BEGIN {
		printf "training on 4 x training_memory: %s process, documents in memory (%.0f of %.0f MB)|%.2f|x|<=|1.2\n",
			kind == "job" ? "job" : "gradient", (kb - base) / 1024, kb / 1024, (kb - base) / 1024 / setting
	}' | tee -a "$RESULTS"
done <<<"$all"

one=$(peak pool_alone RssAnon | awk '$1 == "job" { print $2 }')
four=$(peak four_pools RssAnon | awk '$1 == "job" { print $2 }')
awk -v one="$one" -v four="$four" -v n="$POOL" 'BEGIN {
	printf "round with a pool of %d documents against %d: growth of private memory (%.0f to %.0f MB), weak labels|%.2f|x|<=|0.3\n",
		4 * n, n, one / 1024, four / 1024, (four - one) * 1024 / (3 * n * 16 * 15 * 24)
}' | tee -a "$RESULTS"
