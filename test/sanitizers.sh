#!/bin/bash
# sanitizers.sh - the tests that need a server, on one in which every bad access to memory is reported:
#
#   sanitizers.sh valgrind [kind...]   the server under valgrind; without any: regress, isolation, pgtap
#   sanitizers.sh asan [kind...]       the extension built for AddressSanitizer and UBSan; without any: these, cli and tap
#
# The kinds are check.sh's. Ends with the number of reports, and fails if there is one. The server is the one of cassert.sh: it tells
# valgrind of PostgreSQL's memory contexts, and wipes what is freed. AddressSanitizer sees no more of a context than its blocks, but
# the stack and what is static; and it makes everything twice as slow, where valgrind makes it thirty times as slow, so that tests
# with a clock may fail. VALGRIND_OPTS=--track-origins=yes tells where unset bytes come from, and doubles that.
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

case $tool in
valgrind)
	kinds=${*:-regress isolation pgtap}
	run="exec valgrind --quiet --error-limit=no --num-callers=30 --leak-check=no --suppressions='$plain/valgrind.supp' \
	--log-file='$reports/%p' \"\$here/postgres.plain\""
	export CHECK_SLOWNESS=30
	;;
asan)
	kinds=${*:-regress isolation pgtap cli tap}
	# A server keeps what it has allocated until it ends, and the library comes too late to be found by its users.
	# (abort_on_error: a report ends the process as any crash does; may_return_null: what cannot be had is an error of PostgreSQL's.)
	# Under its first name, since pg_ctl restart starts again what was started.
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

# The server's processes are all forked from the postmaster, and the tool goes with them. initdb's are not ours.
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
# What a report of each begins with.
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
