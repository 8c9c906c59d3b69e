#!/bin/bash
# quality.sh - what each part of the method contributes, on real guides: `make quality`, GUIDES=folder as for guides.sh. Prints tables
# and writes them to doc/quality.md, followed by the text of test/bench/quality_notes.md.
#   FOLDS=5                   number of the five folds of each split (by document, by repository) that are tested
#   SEEDS=3                   samples of approved documents
#   SIZES="25 100 200 500 all"   approved documents
#   REVIEW=only               measures the choice of pairs to review alone (review.c); the other tables stay as they are. 0: not that
set -euo pipefail
# shellcheck source=test/bench/guides_data.sh
. "$(dirname "$0")/guides_data.sh"
FOLDS=${FOLDS:-5} SEEDS=${SEEDS:-3} SIZES=${SIZES:-25 100 200 500 all} REVIEW=${REVIEW:-1}
document=$ROOT/doc/quality.md

# The tables of review.c: those of doc/quality.md where they are not to be measured.
review()
{
	if [ "$REVIEW" = 0 ]; then
		sed -n '/^## Review/,${/^## What this says/q;p}' "$document"
	else
		"$ROOT/build/bench/review" "$GUIDES"
	fi
}

if [ "$REVIEW" = only ]; then
	[ -e "$GUIDES/steps.tsv.gz" ] || die "there is no $GUIDES/steps.tsv.gz (GUIDES=folder says where it is)"
	tables=$(review)
	{
		sed -E '/^## (Review|What this says)/,$d' "$document"
		printf '%s\n' "$tables"
		cat "$ROOT/test/bench/quality_notes.md"
	} | cat -s >"$document.new"
	mv "$document.new" "$document"
	say "$tables"
	say "Written to doc/quality.md."
	exit 0
fi

guides_prepare
started=$SECONDS
cluster_start guides shared_buffers=256MB maintenance_work_mem=64MB
guides_import
psql -Xqf "$TREE/test/bench/quality.sql" -v folds="$FOLDS" -v seeds="$SEEDS" -v sizes="$SIZES"
guides_runs quality "$TREE/test/bench/quality_run.sql"

# psql's output with border 2 is a Markdown table, except for the lines above and below, and the crosses in the separator line.
psql -Xqf "$TREE/test/bench/quality_table.sql" |
	awk '/^\+/ { if (++n % 3 == 2) { gsub(/\+/, "|"); print } next } /^## / { print ""; print; print ""; next } { print }' \
	>"$WORK/tables"
{
	# shellcheck disable=SC2016
	printf '# What each part is worth\n\nMade by `make quality FOLDS=%s SEEDS=%s SIZES="%s" GUIDES=folder`.\n\n' "$FOLDS" "$SEEDS" "$SIZES"
	sed '/^## Seconds/,$d' "$WORK/tables"	# doc/performance.md has the figures of speed
	review
	cat "$ROOT/test/bench/quality_notes.md"
} | cat -s | tee "$WORK/quality.md"
sed -n '/^## Seconds/,$p' "$WORK/tables"
say "Elapsed $((SECONDS - started)) s."
[ "$status" = 0 ] || die "A run failed: doc/quality.md is left as it was."
cp "$WORK/quality.md" "$document"
say "Written to doc/quality.md."
