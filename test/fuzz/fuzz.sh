#!/bin/bash
# fuzz.sh - runs the fuzzers: fuzz.sh NAME... (make fuzz names all of them), each FUZZ_ITERATIONS times with a fixed seed, or, with
# FUZZ_SECONDS, for this time with another seed every time.
#
# The first inputs are those in test/fuzz/corpus/NAME, which are kept: each showed a fault once, or reaches code that chance does not.
# The file test/fuzz/dict/NAME, if it exists, has the words of a format. An input that reaches new code is stored in build/fuzz/corpus/NAME, where the next run starts. An input
# that fails is stored in build/fuzz/found; when the fault is fixed, the input moves to test/fuzz/corpus/NAME.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

# The maximum length of an input, in bytes, where it is not libFuzzer's 4096: whole models and whole checkpoints
# (ROOM of their fuzzers).
declare -A longest=([encoder]=65536 [safetensors]=262144 [checkpoint]=1048576)
# Of how many inputs one is run: an input of these fuzzers trains a model, or draws all pictures twice.
declare -A every=([checkpoint]=4 [picture]=10)
mkdir -p build/fuzz/found build/fuzz/corpus

# fuzz NAME: prints the output, each line after the name, and at the end whether the fuzzer failed
fuzz()
{
	local name=$1 options kept=()

	options=(-max_len="${longest[$name]:-4096}" -len_control=0 -timeout=60 -rss_limit_mb=2048 -print_final_stats=1
		-artifact_prefix="build/fuzz/found/$name-")
	if [ -n "${FUZZ_SECONDS:-}" ]; then
		options+=(-max_total_time="$FUZZ_SECONDS")
	else
		options+=(-runs="$((${FUZZ_ITERATIONS:-20000} / ${every[$name]:-1}))" -seed=1)
	fi
	[ ! -e "test/fuzz/dict/$name" ] || options+=(-dict="test/fuzz/dict/$name")
	[ ! -d "test/fuzz/corpus/$name" ] || kept=("test/fuzz/corpus/$name")
	mkdir -p "build/fuzz/corpus/$name"
	if "build/fuzz/$name" "${options[@]}" "build/fuzz/corpus/$name" "${kept[@]}" 2>&1 | sed -u "s/^/$name: /"; then
		echo "fuzz ok $name"
	else
		echo "fuzz FAILED $name"
		return 1
	fi
}

# Runs as many fuzzers at once as there are cores.
status=0
for name in "$@"; do
	if [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; then wait -n || status=1; fi
	fuzz "$name" &
done
for name in "$@"; do
	wait -n
	case $? in 0 | 127) ;; *) status=1 ;; esac	# 127: no job is left
done
exit $status
