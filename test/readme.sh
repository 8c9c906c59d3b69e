#!/bin/bash
# readme.sh - runs the SQL of README.md and doc/dashboards.md on a throwaway server and compares the outputs of psql; see readme.pl.
# readme.sh --write puts the outputs into these files and README.ja.md instead; `make readme` calls that.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

cluster_prepare
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
cluster_start readme
in_tree perl test/readme.pl "$@" "$WORK/readme"
if [ "${1:-}" = --write ]; then
	for file in README.md README.ja.md doc/dashboards.md; do
		[ ! -e "$ROOT/$file" ] || cat "$TREE/$file" >"$ROOT/$file"
	done
fi
