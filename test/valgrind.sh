#!/bin/bash
# valgrind.sh - the tests that need a server, on one that runs under valgrind: valgrind.sh [kind...], as check.sh has them; without
# any: regress, isolation and pgtap. Ends with the number of reports, and fails if there is one.
#
# The server is the one of cassert.sh, which tells valgrind of PostgreSQL's own memory contexts, with PostgreSQL's suppressions.
# Everything is some thirty times slower, so a test with a clock may fail (of the kind tap, some do): that is not what this asks.
# VALGRIND_OPTS=--track-origins=yes tells where bytes come from, and takes twice as long. The logs are in build/valgrind, the reports
# in build/valgrind-reports.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
plain=${DEBUG_SERVER:-$root/build/debug}
server=$root/build/valgrind-server
logs=$root/build/valgrind
# check.sh empties its folder at its start.
reports=$root/build/valgrind-reports

bash "$root/test/debug_server.sh" "$plain"
rm -rf "$server" "$reports"
cp -al "$plain" "$server"
mkdir -m 1777 "$reports"

# Servers are forked from the postmaster, and valgrind goes with them. initdb's are not ours.
mv "$server/bin/postgres" "$server/bin/postgres.plain"
cat >"$server/bin/postgres" <<END
#!/bin/sh
case "\$1" in
--boot | --single | --check | --describe-config | -V | --version | -C) exec "$server/bin/postgres.plain" "\$@" ;;
esac
exec valgrind --quiet --error-limit=no --num-callers=30 --leak-check=no \\
	--suppressions="$plain/valgrind.supp" --suppressions="$root/test/valgrind.supp" --log-file="$reports/%p" \\
	"$server/bin/postgres.plain" "\$@"
END
chmod +x "$server/bin/postgres"

status=0
PG_CONFIG=$server/bin/pg_config CHECK_LOGS=$logs CHECK_SLOWNESS=30 bash "$root/test/check.sh" "${@:-regress isolation pgtap}" || status=$?

find "$reports" -type f -empty -delete
count=$(cat /dev/null "$reports"/* 2>/dev/null | grep -cE '^==[0-9]+== [A-Z][a-z]' || true)
echo "$count reports of valgrind in ${reports#"$root/"}"
[ "$count" = 0 ] && exit $status
grep -hE '^==[0-9]+== [A-Z][a-z]' "$reports"/* | sed -E 's/^==[0-9]+== //' | sort | uniq -c | sort -rn | head -20
exit 1
