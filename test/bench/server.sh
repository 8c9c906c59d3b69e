#!/bin/bash
# server.sh - speed inside a server of its own; part of `make bench`. Appends lines what|measured|unit|op|target to $RESULTS.
# All runs use one core: no parallel query, one session. One document and the first call are measured in elapsed time, the rest in
# processor time. Weights come from one epoch of training, because only their shapes matter here.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"
# shellcheck source=test/bench/python.sh
. "$(dirname "$0")/python.sh"

RESULTS=$(realpath "${RESULTS:-/dev/null}")	# without it the lines are only printed
DOCUMENTS=${DOCUMENTS:-400}	# documents of 8 items, and ten times as many; a paper-size model orders the smaller number
BENCH=$ROOT/build/bench

cluster_prepare
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
cluster_start bench shared_buffers=256MB max_parallel_workers_per_gather=0 jit=off
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
row() { printf '%s\n' "$1" | tee -a "$RESULTS"; }

sql -v documents="$DOCUMENTS" -f "$TREE/test/bench/server.sql" -o /dev/null

# ---- one document ----

row "$(sql -c "SELECT bench.warm_coherence(4000)")"
row "$(sql -c "SELECT bench.warm_coherence(4000, 'p99')")"
sql -c "SELECT bench.warm_explain(1000)" | while IFS= read -r line; do row "$line"; done

row "$(sql -c "SELECT bench.warm_loose(500)")"

# Each first call is in a session of its own: it loads the library, looks the model up and maps its cache file; the median of some.
first=$(for _ in 1 2 3 4 5 6 7 8 9 10 11; do sql -c "SELECT bench.first_call()"; done | sort -t' ' -n)
median=$(sed -n 6p <<<"$first")
read -r ms load memory <<<"$median"
size=$(sql -c "SELECT bytes / 1000000 FROM xmcoh.versions WHERE model = 'paper'")
row "first call in a new session, paper-size model of $size MB|$ms|ms|<=|10"
row "  of which loading the library (nothing with shared_preload_libraries)|$load|ms||"
row "  private memory that it adds to the session|$memory|MB|<=|2"

# ---- bulk ----

sql -c "SELECT bench.aggregates('default', 'bench.step')" -c "SELECT bench.aggregates('paper', 'bench.paper_step', 'NULL')" |
	while IFS= read -r line; do row "$line"; done
one=$(sql -c "SELECT bench.bulk('bench.step')")
ten=$(sql -c "SELECT bench.bulk('bench.step10')")
read -r seconds1 memory1 <<<"$one"
read -r seconds10 memory10 <<<"$ten"
row "$(awk -v n="$DOCUMENTS" -v s="$seconds10" \
	'BEGIN { printf "bulk ordering, default model, text and image 512-d|%.0f|docs/s||", 10 * n / s }')"
row "$(awk -v a="$seconds1" -v b="$seconds10" 'BEGIN { printf "documents x10: time|%.1f|x|<=|11", b / a }')"
row "$(awk -v a="$memory1" -v b="$memory10" \
	'BEGIN { printf "documents x10: peak private memory, work_mem 256 kB (%.1f MB, then %.1f MB)|%.2f|x|<=|1.2", a, b, b / a }')"

paper=$(sql -c "SELECT bench.bulk('bench.paper_step', 'paper')")
seconds=${paper% *}
row "$(awk -v n="$DOCUMENTS" -v s="$seconds" \
	'BEGIN { printf "bulk ordering, paper-size model, from table to result|%.0f|docs/s||", n / s }')"
peak=$("$BENCH/bench_train" peak | sed -n 's/.*: \([0-9.]*\) GFLOP.*/\1/p')
row "$(awk -v flop="$(sql -c "SELECT bench.paper_flop()")" -v s="$seconds" -v peak="$peak" \
	'BEGIN { printf "bulk ordering, paper-size model: of the sgemm peak|%.0f|%%|>=|60", 100 * flop / s / 1e9 / peak }')"

# ---- several processes; states of documents: elapsed, and processor time of the session and of its worker ----

sql -c "SELECT bench.scoring('paper', 'bench.paper_step10', 0)" -o /dev/null
read -r alone alone_own _ <<<"$(sql -c "SELECT bench.scoring('paper', 'bench.paper_step10', 0)")"
read -r both both_own both_worker <<<"$(sql -c "SELECT bench.scoring('paper', 'bench.paper_step10', 1)")"
row "$(awk -v n=$((10 * DOCUMENTS)) -v a="$alone" -v b="$both" \
	'BEGIN { printf "check_documents, paper-size model, %d documents, one scoring worker against none: elapsed|%.2f|x|>=|1.8", n, a / b }')"
row "$(awk -v a="$alone_own" -v b="$both_own" -v w="$both_worker" \
	'BEGIN { printf "  processor time (%.0f ms alone; %.0f ms session, %.0f ms worker): alone against the larger share|%.2f|x|>=|1.8", a, b, w, a / (b > w ? b : w) }')"
sql -c "SELECT FROM xmcoh.refresh_document_state('default', 'bench.placed10')" -o /dev/null
sql -c 'VACUUM ANALYZE xmcoh.document_state_record'
row "dashboard, documents by verdict, over the states of $((10 * DOCUMENTS)) documents|$(sql -c "SELECT bench.dashboard(
	'SELECT verdict, count(*), avg(coherence) FROM xmcoh.document_state WHERE model = ''default'' GROUP BY verdict')")|ms|<=|100"
row "  joined with a table of the user|$(sql -c "SELECT bench.dashboard(
	'SELECT d.verdict, count(*) FROM xmcoh.document_state AS d JOIN bench.step10 AS s ON s.document::text = d.document AND s.step_no = 1 GROUP BY 1')")|ms|<=|100"

# ---- guard: processor time, with the commits ----

sql -f "$TREE/test/bench/guard.sql" -o /dev/null
row "$(sql -c "CALL bench.guard_rate($((2 * DOCUMENTS)), 1)")"
row "$(sql -c "CALL bench.guard_rate($((5 * DOCUMENTS)), 500)")"
one=$(sql -c "CALL bench.guard_transaction($DOCUMENTS)")
ten=$(sql -c "CALL bench.guard_transaction($((10 * DOCUMENTS)))")
read -r seconds1 memory1 <<<"$one"
read -r seconds10 memory10 <<<"$ten"
row "$(awk -v n=$((10 * DOCUMENTS)) -v a="$seconds1" -v b="$seconds10" \
	'BEGIN { printf "guard, %d documents in one transaction against a tenth: time|%.1f|x|<=|11", n, b / a }')"
row "$(awk -v a="$memory1" -v b="$memory10" \
	'BEGIN { printf "guard, the same: peak private memory (%.1f MB, then %.1f MB)|%.2f|x|<=|1.2", a, b, b / a }')"

# ---- the same without xmcoh ----

if OPENBLAS_NUM_THREADS=1 "$PYTHON" -c 'import numpy, psycopg2, torch'; then
	OPENBLAS_NUM_THREADS=1 "$PYTHON" "$ROOT/test/bench/python_route.py" "$seconds" | while IFS= read -r line; do row "$line"; done
else
	say "****  skipped: the Python route. $PYTHON has no numpy, psycopg2 and torch (PYTHON= names another).  ****"
fi
