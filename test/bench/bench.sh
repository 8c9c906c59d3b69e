#!/bin/bash
# bench.sh - `make bench`: runs all measurements, then prints a table of measured values and targets. Ratios and shares of the sgemm
# peak are for comparison; milliseconds are of this machine. This is not a test: a busy machine misses targets.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=test/bench/python.sh
. test/bench/python.sh

# What xmcoh is compared with. On systems other than Debian the packages must be installed already; otherwise the comparison is left out.
[ ! -e /etc/debian_version ] || bash test/setup.sh python3-torch python3-psycopg2 python3-numpy libopenblas0-pthread ||
	echo "****  PyTorch cannot be installed: what needs it will be skipped  ****"

results=build/bench/results	# what|measured|unit|<= or >=|target; the last two are empty where there is no target
: >"$results"

echo "== training and scoring against the sgemm peak ($(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg))"
build/bench/bench_train | tee build/bench/train.log
awk '/^paper/ || /^default/ {
	name = substr($0, 1, 18); sub(/ +$/, "", name)
	split(substr($0, 27), column, " ")	# time us share % GFLOP/s GFLOP/s-in-sgemm share-of-peak ...
	printf "%s, %s: of the sgemm peak|%s|%%|%s\n", $0 ~ / train / ? "training" : "scoring", name, column[7],
		name ~ /^paper/ ? ">=|60" : "|"
}' build/bench/train.log >>"$results"

echo "== decoding"
build/bench/bench_decode 10 | tee build/bench/decode.log
awk '$1 == 16 && NF == 6 && $4 + 0 > exact { exact = $4 + 0 }
	$1 == 200 && NF == 6 { if ($5 + 0 > search) search = $5 + 0; if ($6 + 0 > gap) gap = $6 + 0 }
	END {
		printf "exact decode, n = 16|%.2f|ms|<=|5\nheuristic decode, n = 200|%.1f|ms|<=|100\n", exact, search
		printf "heuristic decode, n = 200: gap to the best known|%.3f|%%|<=|0.1\n", gap
	}' build/bench/decode.log >>"$results"

echo "== text encoders: 20 tokens, one core"
mkdir -p build/bench/embed
build/bench/bench_embed build/bench/embed | tee build/bench/embed.log
awk '/^opening/ { printf "text encoder: opening, beside reading the file|%.2f|ms|<=|10\n", $4 }
	/^one text/ { printf "text encoder: one text|%.2f|ms||\n", $3 }
	/^of 32/ { printf "text encoder: 32 texts, each|%.2f|ms||\ntext encoder: 32 texts: of the sgemm peak|%.0f|%%|>=|50\n", $5, $7 }
	' build/bench/embed.log >>"$results"
if read -r one many difference < <(OMP_NUM_THREADS=1 "$PYTHON" test/bench/embed.py build/bench/embed); then
	echo "PyTorch, one thread: one text $one ms, of 32 texts each $many ms; largest difference of the vectors $difference"
	awk -v one="$one" -v many="$many" -v difference="$difference" '
		/^one text/ { printf "text encoder: one text, time over that of PyTorch|%.2f||<=|1.3\n", $3 / one }
		/^of 32/ { printf "text encoder: 32 texts, time over that of PyTorch|%.2f||<=|1.3\n", $5 / many
			printf "text encoder: largest difference from the vectors of PyTorch|%.1e||<=|1e-05\n", difference }
		' build/bench/embed.log >>"$results"
else
	echo "****  skipped: the comparison of text encoders. $PYTHON has no numpy and torch (PYTHON= names another).  ****"
fi

echo "== fine-tuning: an epoch of 500 documents of 5 steps of 20 tokens, one core"
for learns in "3 8" "6 8" "6 0"; do
	layers=${learns% *} rank=${learns#* }
	how="adapters on $layers of 6 layers"
	[ "$rank" != 0 ] || how="all parameters of $layers layers"
	own=$(build/bench/bench_fine_tune "$layers" "$rank")
	what="fine-tuning, $how: an epoch, one core"
	echo "$how: $own s"
	echo "$what|$own|s||" >>"$results"
	if theirs=$(OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$PYTHON" test/bench/fine_tune.py 1 "$layers" "$rank"); then
		echo "PyTorch, one thread: $theirs s"
		awk -v what="$what" -v own="$own" -v theirs="$theirs" \
			'BEGIN { printf "%s, time over that of PyTorch|%.2f||<=|1\n", what, own / theirs }' >>"$results"
	else
		echo "****  PyTorch cannot be used: the comparison of fine-tuning is left out  ****"
	fi
done

echo "== in the server"
RESULTS=$results bash test/bench/server.sh

echo "== training jobs"
RESULTS=$results bash test/bench/jobs.sh
echo "== fine-tuning: one process and two"
RESULTS=$results bash test/bench/fine_tune.sh
echo "== a text encoder in the server"
RESULTS=$results bash test/bench/encoder.sh
echo "== training: processes and memory"
RESULTS=$results bash test/bench/crew.sh
RESULTS=$results bash test/bench/memory.sh

echo
echo "load at the end: $(cut -d' ' -f1-3 /proc/loadavg)"
awk -F'|' 'BEGIN { printf "%-78s %10s %-7s %-10s\n", "what", "measured", "", "target" }
	{
		met = $5 == "" ? "" : ($4 == "<=" ? $2 + 0 <= $5 + 0 : $2 + 0 >= $5 + 0) ? "met" : "MISSED"
		printf "%-78s %10s %-7s %-10s %s\n", $1, $2, $3, $5 == "" ? "" : $4 " " $5, met
	}' "$results"
