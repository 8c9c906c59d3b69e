#!/bin/bash
# guides.sh - the measured example on real guides: `make guides`, GUIDES=folder with steps.tsv.gz, image.npy and text.npy.
# Five folds by document, five by repository, five with 200 approved documents; two models are trained at a time.
set -euo pipefail
# shellcheck source=test/bench/guides_data.sh
. "$(dirname "$0")/guides_data.sh"

guides_prepare
started=$SECONDS
cluster_start guides shared_buffers=256MB maintenance_work_mem=64MB

# The largest private memory (RssAnon) of one server process, and of all of them together, in kB, sampled twice a second.
watch_memory()
{
	local postmaster one all

	read -r postmaster <"$WORK/guides/postmaster.pid"
	one=0 all=0
	while [ -e "/proc/$postmaster" ]; do
		# shellcheck disable=SC2046
		read -r one all < <(awk -v one="$one" -v all="$all" '
			/^RssAnon:/ { if ($2 > one) one = $2; sum += $2 }
			END { if (sum > all) all = sum; print one, all }' \
			$(ps -o pid= --ppid "$postmaster" | sed 's|^ *\(.*\)|/proc/\1/status|') /dev/null 2>/dev/null) || true
		echo "$one $all" >"$WORK/memory"
		sleep 0.5
	done
}
watch_memory &
watcher=$!

guides_import
psql -Xqf "$TREE/test/bench/guides.sql"
guides_runs guides "$TREE/test/bench/guides_run.sql"
psql -Xqf "$TREE/test/bench/guides_table.sql"
psql -Xqf "$TREE/test/bench/guides_bulk.sql"

kill "$watcher" 2>/dev/null || true
wait "$watcher" 2>/dev/null || true
read -r one all <"$WORK/memory"
say "Elapsed $((SECONDS - started)) s, import included. Peak private memory: $((one / 1024)) MB in one server process, $((all / 1024)) MB in all."
exit "$status"
