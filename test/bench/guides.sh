#!/bin/bash
# guides.sh - the measured example on real guides: `make guides`, GUIDES=folder with steps.tsv.gz, image.npy and text.npy.
# Five folds by document, five by repository, five with 200 approved documents; two models are trained at a time.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/../cluster.sh"

GUIDES=${GUIDES:-$ROOT/../shared/data/guides}
if [ ! -e "$GUIDES/steps.tsv.gz" ]; then
	say "****  skipped: the guides are not here. There is no $GUIDES/steps.tsv.gz (GUIDES=folder says where it is).  ****"
	exit 0
fi
cluster_prepare
say "Building ..."
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
started=$SECONDS
cluster_start guides shared_buffers=256MB maintenance_work_mem=64MB

# The most private memory (RssAnon) of one server process, and of all of them together, in kB, looked at twice a second.
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

import=(xmcoh import --table guides.raw --integer step_no --tsv "$GUIDES/steps.tsv.gz"
	--npy "image=$GUIDES/image.npy" --npy "words_embedding=$GUIDES/text.npy")
psql -Xqc 'CREATE SCHEMA guides'
"${import[@]}"
psql -Xqf "$TREE/test/bench/guides.sql"

say "Training and ordering, two at a time ..."
status=0
psql -XAtqc 'SELECT run FROM guides.run ORDER BY run' |
	xargs -P 2 -I RUN psql -Xq -o /dev/null -v run=RUN -f "$TREE/test/bench/guides_run.sql" || status=$?
[ "$status" = 0 ] || psql -X -c "SELECT job_id, model, state, message FROM xmcoh.job WHERE state <> 'succeeded'"
psql -Xqf "$TREE/test/bench/guides_table.sql"
psql -Xqf "$TREE/test/bench/guides_bulk.sql"

kill "$watcher" 2>/dev/null || true
wait "$watcher" 2>/dev/null || true
read -r one all <"$WORK/memory"
say "Elapsed $((SECONDS - started)) s, import included. Peak private memory: $((one / 1024)) MB in one server process, $((all / 1024)) MB in all."
exit "$status"
