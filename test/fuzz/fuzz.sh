#!/bin/bash
# fuzz.sh - runs the fuzzers: fuzz.sh NAME... (make fuzz gives all of them), each FUZZ_ITERATIONS times with a fixed seed, or, with
# FUZZ_SECONDS, for so long with another seed every time.
#
# Inputs begin with those in test/fuzz/corpus/NAME, which are kept for ever: each once was a fault, or leads where chance does not.
# test/fuzz/dict/NAME, where there is one, has the words of a format. What reaches code that no input reached before is collected in build/fuzz/corpus/NAME, from where the next run goes on. An input
# that fails is left in build/fuzz/found; after the cure it moves to test/fuzz/corpus/NAME.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

# The longest input, in bytes, where that is not libFuzzer's 4096: whole models and whole checkpoints.
declare -A longest=([safetensors]=65536 [checkpoint]=262144)
status=0

mkdir -p build/fuzz/found
for name in "$@"; do
	echo "== $name"
	mkdir -p "build/fuzz/corpus/$name"
	options=(-max_len="${longest[$name]:-4096}" -len_control=0 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1
		-artifact_prefix="build/fuzz/found/$name-")
	if [ -n "${FUZZ_SECONDS:-}" ]; then
		options+=(-max_total_time="$FUZZ_SECONDS")
	else
		options+=(-runs="${FUZZ_ITERATIONS:-20000}" -seed=1)
	fi
	[ ! -e "test/fuzz/dict/$name" ] || options+=(-dict="test/fuzz/dict/$name")
	kept=()
	[ ! -d "test/fuzz/corpus/$name" ] || kept=("test/fuzz/corpus/$name")
	if "build/fuzz/$name" "${options[@]}" "build/fuzz/corpus/$name" "${kept[@]}"; then
		echo "fuzz ok $name"
	else
		echo "fuzz FAILED $name"
		status=1
	fi
done
exit $status
