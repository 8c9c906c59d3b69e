#!/bin/bash
# check.sh - runs every test there is and ends with one line: N passed, N failed, N skipped.
#
# Kinds of tests, each with its whole output in build/check/KIND.log:
#   unit, unit-asan  test/unit/test_*.c     cmocka over src/core, plain and under AddressSanitizer and UBSan
#   fuzz             test/fuzz/fuzz_*.c     each for a fixed number of inputs; one target is one test
#   regress          test/sql/*.sql         pg_regress (those that the Makefile lists)
#   isolation        test/isolation/specs   pg_isolation_regress (those that the Makefile lists)
#   pgtap            test/pgtap/*.sql       in a database that has the extensions pgtap and xmcoh
#   cli, tap         test/{cli,tap}/*.pl    PostgreSQL::Test, whole clusters
#
# A kind that cannot run has failed. Only tests on real data (GUIDES, by default ../shared/data/guides) are skipped when the
# data is missing. Arguments name the kinds to run; none: all. KEEP=1 keeps the working folder.
set -uo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

ALL_KINDS="unit unit-asan fuzz regress isolation pgtap cli tap"
LOGS=${CHECK_LOGS:-$ROOT/build/check}
# A server that checks itself is slower, and so is what waits for it.
export CHECK_SLOWNESS=${CHECK_SLOWNESS:-1}
export PG_TEST_TIMEOUT_DEFAULT=$((180 * CHECK_SLOWNESS)) PGISOLATIONTIMEOUT=$((360 * CHECK_SLOWNESS))
PERL_TEST_SECONDS=$((180 * CHECK_SLOWNESS))	# for one file
passed=0 failed=0 skipped=0
table=

# ---- counting: each sets ok, bad, skip from a log ----

count_cmocka()
{
	local run
	run=$(grep -c '^\[ RUN      \]' "$1")
	ok=$(grep -c '^\[       OK \]' "$1")
	skip=$(grep -c '^\[  SKIPPED \] [a-z]' "$1")
	bad=$((run - ok - skip))	# a crash ends a test without a word
}

count_tap()
{
	local todo
	todo=$(grep -ciE '^not ok .*# TODO' "$1")
	skip=$(grep -ciE '^(ok .*# skip|1\.\.0 # skip)' "$1")
	ok=$(($(grep -cE '^ok ' "$1") - $(grep -ciE '^ok .*# skip' "$1") + todo))
	bad=$(($(grep -cE '^not ok ' "$1") - todo))
}

# PostgreSQL 16 and later print TAP here.
count_regress()
{
	ok=$(grep -cE '\.\.\. ok +[0-9]+ ms|^ok ' "$1")
	bad=$(grep -cE '\.\.\. FAILED|^not ok ' "$1")
	skip=0
}

count_fuzz()
{
	ok=$(grep -c '^fuzz ok ' "$1")
	bad=$(grep -c '^fuzz FAILED ' "$1")
	skip=0
}

# run KIND COUNTER SECONDS COMMAND...
run()
{
	local kind=$1 counter=$2 limit=$(($3 * CHECK_SLOWNESS)) log=$LOGS/$1.log started=$SECONDS status ok=0 bad=0 skip=0 reason=

	shift 3
	printf '%-10s ' "$kind"
	"$@" >"$log" 2>&1 </dev/null &
	# The limit is kept here and not by timeout(1), which cannot run a function of this shell.
	local pid=$! waited=0
	while kill -0 "$pid" 2>/dev/null && [ "$waited" -lt "$((limit * 5))" ]; do sleep 0.2; waited=$((waited + 1)); done
	if kill -0 "$pid" 2>/dev/null; then
		reason="stopped after $limit s"
		stop_tree "$pid"
	fi
	wait "$pid" 2>/dev/null
	status=$?
	"$counter" "$log"
	# A worker's crash need not fail a test: others begin in its place.
	if grep -rhs --include='*.log' '^TRAP:' "$WORK" >>"$log"; then reason="an assertion failed in a server"; fi
	if [ -z "$reason" ] && [ $((ok + bad + skip)) = 0 ]; then reason="no test ran"; fi
	if [ -z "$reason" ] && [ $status != 0 ] && [ $bad = 0 ]; then reason="ended with status $status"; fi
	[ -z "$reason" ] || bad=$((bad + 1))
	printf '%5d passed %3d failed %3d skipped  %4d s%s\n' "$ok" "$bad" "$skip" $((SECONDS - started)) "${reason:+  ($reason)}"
	table+=$(printf '%-10s %7d %7d %8d %6d s' "$kind" "$ok" "$bad" "$skip" $((SECONDS - started)))$'\n'
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	if [ "$bad" != 0 ]; then show_failure "$log"; fi
	if [ "$skip" != 0 ]; then grep -iE '# skip|SKIPPED \] [a-z]' "$log" | sed 's/^/    SKIPPED: /' | head -20; fi
	return 0
}

# A process and all below it, leaves first.
stop_tree()
{
	local child
	for child in $(ps -o pid= --ppid "$1"); do stop_tree "$child"; done
	kill -TERM "$1" 2>/dev/null
}

show_failure()
{
	say "    ---- failures in $1 ----"
	{
		grep -nE '^not ok |FAILED|ERROR: |error: |Error |^TRAP:|runtime error|AddressSanitizer|LeakSanitizer|Failed test|: FATAL' "$1" | head -40
		say "..."
		tail -n 40 "$1"
	} | sed 's/^/    /'
}

# Jobs in the copied tests are waited for CHECK_SLOWNESS times as long.
wait_longer()
{
	in_tree grep -rlE 'wait_for_job\(' test expected |
		in_tree xargs perl -i -pe 's/(wait_for_job\(.*?\x27)(\d\d+)( ?s\x27)/$1 . $2 * $ENV{CHECK_SLOWNESS} . $3/e'
}

# ---- the kinds ----

fuzz()
{
	in_tree "$MAKE" --no-print-directory WERROR=1 PG_CONFIG="$PG_CONFIG" FUZZ_ITERATIONS="${FUZZ_ITERATIONS:-20000}" fuzz
}

regress()
{
	local status=0

	in_tree "$MAKE" --no-print-directory PG_CONFIG="$PG_CONFIG" installcheck ISOLATION= || status=$?
	cp "$TREE/build/regress/regression.diffs" "$LOGS/regression.diffs" 2>/dev/null && cat "$LOGS/regression.diffs"
	return $status
}

isolation()
{
	local status=0

	in_tree "$MAKE" --no-print-directory PG_CONFIG="$PG_CONFIG" installcheck REGRESS= || status=$?
	cp "$TREE/build/isolation/regression.diffs" "$LOGS/isolation.diffs" 2>/dev/null && cat "$LOGS/isolation.diffs"
	return $status
}

pgtap()
{
	createdb xmcoh_pgtap &&
		psql -XqAt -v ON_ERROR_STOP=1 -d xmcoh_pgtap -c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION xmcoh' &&
		in_tree pg_prove --verbose --psql-bin "$BINDIR/psql" --dbname xmcoh_pgtap --ext .sql test/pgtap
}

# The tests under test/$1, each with whole clusters of its own. One prove for each file: what it has printed is kept and counted
# even when a later file hangs.
perl_tests()
{
	local test status=0

	for test in "$TREE/test/$1"/*.pl; do
		[ -e "$test" ] || continue
		perl_test "$WORK/$1" ${guides:+GUIDES="$guides"} timeout --kill-after=10 "$PERL_TEST_SECONDS" \
			prove --verbose -I "$PGXS_TEST/perl" -I test/tap "test/$1/${test##*/}" || status=1
	done
	return $status
}

# ---- all of it ----

started=$SECONDS
rm -rf "$LOGS"
mkdir -p "$LOGS"
kinds=${*:-$ALL_KINDS}
cluster_prepare

# The server's user must be able to read the real data.
guides=
if [ -e "${GUIDES:=$ROOT/../shared/data/guides}/steps.tsv.gz" ]; then
	guides=$WORK/guides
	cp -rL "$GUIDES" "$guides" && chmod -R a+rX "$guides"
fi

printf '%-10s ' build
if cluster_build WERROR=1 >"$LOGS/build.log" 2>&1; then
	say "against $("$PG_CONFIG" --version), warnings are errors  ($((SECONDS - started)) s)"
	built=yes
else
	say FAILED
	show_failure "$LOGS/build.log"
	failed=1
	built=
fi

[ -z "$built" ] || [ "$CHECK_SLOWNESS" = 1 ] || wait_longer

wants() { case " $kinds " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
server_up=
# wants_server KIND: asked for, and there is a server to run it on; if there is none, the kind has failed.
wants_server()
{
	wants "$1" || return 1
	if [ -n "$built" ] && { [ -n "$server_up" ] || cluster_start check; }; then
		server_up=yes
		return 0
	fi
	say "$(printf '%-10s' "$1") FAILED: there is no server to run it on"
	failed=$((failed + 1))
	return 1
}

! wants unit || run unit count_cmocka 120 in_tree "$MAKE" -j2 WERROR=1 unit
! wants unit-asan || run unit-asan count_cmocka 360 in_tree "$MAKE" -j2 WERROR=1 unit-asan
! wants fuzz || run fuzz count_fuzz 900 fuzz
! wants_server regress || run regress count_regress 180 regress
! wants_server isolation || run isolation count_regress 120 isolation
! wants_server pgtap || run pgtap count_tap 120 pgtap
! wants_server cli || run cli count_tap 120 perl_tests cli
! wants_server tap || run tap count_tap 720 perl_tests tap

if [ -z "$guides" ]; then
	say ""
	say "****  skipped: the tests on real data. There is no $GUIDES/steps.tsv.gz (GUIDES=folder says where it is).  ****"
fi
say ""
printf '%-10s %7s %7s %8s %8s\n%s' kind passed failed skipped time "$table"
say "all in $((SECONDS - started)) s; the logs are in ${LOGS#"$ROOT/"}"
say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
