#!/bin/bash
# cassert.sh - the tests that need a server, on one with assertions: cassert.sh [kind...], as check.sh has them.
#
# The server is built first and kept in build/debug, or in DEBUG_SERVER, which its user must be able to read. The logs are in
# build/cassert.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
server=${DEBUG_SERVER:-$root/build/debug}

bash "$root/test/debug_server.sh" "$server"
PG_CONFIG=$server/bin/pg_config CHECK_LOGS=$root/build/cassert CHECK_SLOWNESS=3 \
	exec bash "$root/test/check.sh" "${@:-regress isolation pgtap cli tap}"
