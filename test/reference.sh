#!/bin/bash
# reference.sh --write: makes doc/reference.md from the catalogue of the extension on a throwaway server, by reference.sql.
# `make reference` runs it. check.sh compares the file with the catalogue (kind `reference`).
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

cluster_prepare
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
cluster_start reference
psql -XAtq -v ON_ERROR_STOP=1 -f "$ROOT/test/reference.sql" >"$WORK/reference.md"
cat "$WORK/reference.md" >"$ROOT/doc/reference.md"
