#!/bin/bash
# sanitizers.sh - runs the tests that need a server under a tool that reports bad accesses to memory:
#
#   sanitizers.sh valgrind [kind...]   the server under valgrind; default kinds: regress isolation pgtap
#   sanitizers.sh asan [kind...]       the extension with AddressSanitizer and UBSan; default kinds: these, cli and tap
#
# The kinds are check.sh's. The last line is the number of reports; the script fails if there is a report. The server is the one
# of cassert.sh: it tells valgrind about PostgreSQL's memory contexts, and overwrites freed memory. AddressSanitizer does not know
# the contexts, but checks the stack and static data. AddressSanitizer makes a test twice as slow, valgrind thirty times; tests
# with time limits may fail then. VALGRIND_OPTS=--track-origins=yes shows where unset bytes come from, and takes twice the time.
#
# The logs and reports are in build/sanitizers.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
tool=${1:-}
plain=${DEBUG_SERVER:-$root/build/debug}
folder=$root/build/sanitizers/$tool
server=$folder/server
reports=$folder/reports
shift || true

# Tests of the memory of a process are skipped by it.
export CHECK_SANITIZER=$tool

case $tool in
valgrind)
	kinds=${*:-regress isolation pgtap}
	run="exec valgrind --quiet --error-limit=no --num-callers=30 --leak-check=no --suppressions='$plain/valgrind.supp' \
	--log-file='$reports/%p' \"\$here/postgres.plain\""
	export CHECK_SLOWNESS=30
	;;
asan)
	kinds=${*:-regress isolation pgtap cli tap}
	# The runtime libraries are preloaded, because the extension is loaded later than they must be. detect_leaks=0: a server keeps
	# allocated memory until its end. abort_on_error: a report ends the process like a crash. may_return_null: running out of
	# memory is an error of PostgreSQL's. exec -a keeps the name of the program, which pg_ctl restart starts again.
	run="export LD_PRELOAD='$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)'\${LD_PRELOAD:+:\$LD_PRELOAD}
export ASAN_OPTIONS='detect_leaks=0:allocator_may_return_null=1:abort_on_error=1:log_path=$reports/asan'
export UBSAN_OPTIONS='print_stacktrace=1:log_path=$reports/ubsan'
exec -a \"\$here/postgres\" \"\$here/postgres.plain\""
	export COPT='-fsanitize=address,undefined -fno-omit-frame-pointer'	# PGXS's
	export CHECK_SLOWNESS=6
	;;
*)
	echo "usage: sanitizers.sh valgrind|asan [kind...]" >&2
	exit 2
	;;
esac

bash "$root/test/debug_server.sh" "$plain"
rm -rf "$folder"
mkdir -p "$folder"
mkdir -m 1777 "$reports"
cp -al "$plain" "$server"

# All processes of the server are forked from the postmaster, so they run under the tool. initdb's processes do not.
mv "$server/bin/postgres" "$server/bin/postgres.plain"
cat >"$server/bin/postgres" <<END
#!/bin/bash
here=\$(dirname "\$(realpath "\$0")")	# the tests use a copy of this installation
case "\$1" in
--boot | --single | --check | --describe-config | -V | --version | -C)
	exec -a "\$here/postgres" "\$here/postgres.plain" "\$@" ;;
esac
$run "\$@"
END
chmod +x "$server/bin/postgres"

status=0
# shellcheck disable=SC2086
PG_CONFIG=$server/bin/pg_config CHECK_LOGS=$folder/logs bash "$root/test/check.sh" $kinds || status=$?

find "$reports" -type f -empty -delete
# The first line of each report.
summary()
{
	find "$reports" -type f -exec cat {} + |
		sed -nE 's/^==[0-9]+== ([A-Z][a-z].*)/\1/p; s/^==[0-9]+==(ERROR: AddressSanitizer.*)/\1/p; s/.*(runtime error: .*)/\1/p'
}
count=$(summary | wc -l)
echo "$count reports in ${reports#"$root/"}"
[ "$count" != 0 ] || exit $status
summary | sed -E 's/0x[0-9a-f]+/.../g' | sort | uniq -c | sort -rn | head -20
exit 1
