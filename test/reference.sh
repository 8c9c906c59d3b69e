#!/bin/bash
# reference.sh - makes doc/reference.md from the catalogue of the extension on a throwaway server, with reference.sql.
# `make reference` calls this script. check.sh (kind `reference`) fails if the file is not up to date.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

cluster_prepare
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
cluster_start reference
psql -XAtq -v ON_ERROR_STOP=1 -f "$ROOT/test/reference.sql" >"$WORK/reference.md"
cat "$WORK/reference.md" >"$ROOT/doc/reference.md"
