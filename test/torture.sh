#!/bin/bash
# torture.sh - kills workers and servers at random moments for as long as wanted; prints a line for 20 kills and a table at the
# end, and fails when a job is stuck, a version damaged, an approved pair lost, or a resumed job's result not that of an undisturbed
# one. The settings stand in test/tap/014_faults_torture.pl; KEEP=1 keeps the clusters and their logs.
set -uo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

[ -z "${KEEP:-}" ] || export PG_TEST_NOCLEAN=1
export TORTURE_KILLS=${TORTURE_KILLS:-200} TORTURE_SECONDS=${TORTURE_SECONDS:-3600}
cluster_prepare
mkdir -p "$ROOT/build"
cluster_build WERROR=1 >"$ROOT/build/torture.log" 2>&1 || die "cannot build: see build/torture.log"
perl_test "$WORK/torture" perl -I "$PGXS_TEST/perl" -I test/tap test/tap/014_faults_torture.pl
