#!/bin/bash
# bench.sh - `make bench`: runs all measurements, then prints a table of measured values and targets. Ratios and shares of the sgemm
# peak are for comparison; milliseconds are of this machine. This is not a test: a busy machine misses targets.
set -euo pipefail
cd "$(dirname "$0")/../.."

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

echo "== in the server"
RESULTS=$results bash test/bench/server.sh

echo "== training jobs"
RESULTS=$results bash test/bench/jobs.sh
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
