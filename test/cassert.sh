#!/bin/bash
# cassert.sh - runs the tests that need a server on a server with assertions: cassert.sh [kind...]. The kinds are check.sh's.
#
# The server is built first and stays in build/debug or in the folder DEBUG_SERVER. The user of the server must be able to read
# that folder. The logs are in build/cassert.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
server=${DEBUG_SERVER:-$root/build/debug}

bash "$root/test/debug_server.sh" "$server"
PG_CONFIG=$server/bin/pg_config CHECK_LOGS=$root/build/cassert CHECK_SLOWNESS=3 \
	exec bash "$root/test/check.sh" "${@:-regress isolation pgtap cli tap}"
