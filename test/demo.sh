#!/bin/bash
# demo.sh - runs doc/demo/demo.sql on a throwaway server and prints every statement before its result.
set -euo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

cluster_prepare
say "Building ..."
# shellcheck disable=SC2119
cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
cluster_start demo shared_preload_libraries=xmcoh
started=$SECONDS
export PSQL_PAGER='' PAGER=''
as_server psql -X --echo-queries -v ON_ERROR_STOP=1 -f "$TREE/doc/demo/demo.sql"
say ""
say "The tour took $((SECONDS - started)) s."
