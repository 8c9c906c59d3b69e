#!/bin/bash
# torture.sh - kills workers and servers at random moments, TORTURE_KILLS times or for TORTURE_SECONDS; prints a line after 20
# kills and a table at the end. The script fails if a job is stuck, a version is damaged, an approved pair is lost, or a resumed
# job has another result than an undisturbed job. test/tap/014_faults_torture.pl has the settings. KEEP=1 keeps the clusters and
# their logs.
set -uo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

[ -z "${KEEP:-}" ] || export PG_TEST_NOCLEAN=1
export TORTURE_KILLS=${TORTURE_KILLS:-200} TORTURE_SECONDS=${TORTURE_SECONDS:-3600}
cluster_prepare
mkdir -p "$ROOT/build"
cluster_build WERROR=1 >"$ROOT/build/torture.log" 2>&1 || die "cannot build: see build/torture.log"
perl_test "$WORK/torture" perl -I "$PGXS_TEST/perl" -I test/tap test/tap/014_faults_torture.pl
