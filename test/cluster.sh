# shellcheck shell=bash
# cluster.sh - throwaway servers for the tests, the demo and the measured examples; to be sourced.
#
#   cluster_prepare         installs what is missing; finds the server (PG_CONFIG); makes $WORK, which goes at exit
#   cluster_build [flags]   builds a private copy of the tree, $TREE, and installs the extension from it
#   as_server COMMAND...    runs a command as the user who may run a server: `postgres` when we are root, else ourselves
#   cluster_start NAME [SETTING=VALUE...]
#                           a new cluster with its own socket directory and no TCP port; sets PGHOST, PGPORT, PGUSER, PGDATABASE
#   cluster_stop NAME
#
#   perl_test STATE COMMAND...
#                           a command of PostgreSQL::Test, standing in $TREE, with what its clusters need; they lie under STATE
#
# A server never runs as root, and its user can read neither root's home nor perhaps this folder: hence the copy.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
MAKE=${MAKE:-make}
PG_MAJOR=${PG_MAJOR:-15}

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

cluster_prepare()
{
	# A PG_CONFIG that was chosen by hand is taken as it is.
	local default=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config

	[ ! -e /etc/debian_version ] || bash "$ROOT/test/setup.sh" || die "cannot install what is missing"
	if [ "${PG_CONFIG:-pg_config}" = pg_config ] && [ -x "$default" ]; then
		PG_CONFIG=$default
	fi
	PG_CONFIG=${PG_CONFIG:-pg_config}
	BINDIR=$("$PG_CONFIG" --bindir) || die "no PostgreSQL: $PG_CONFIG does not run; set PG_CONFIG"
	# shellcheck disable=SC2034
	PGXS_TEST=$(dirname "$("$PG_CONFIG" --pgxs)")/../test

	WORK=$(mktemp -d "/tmp/xmcoh.XXXXXX")
	TREE=$WORK/tree
	trap cluster_clean EXIT
	trap 'exit 130' INT TERM HUP
	if [ "$(id -u)" = 0 ]; then
		id postgres >/dev/null 2>&1 || die "no user postgres, as whom the server would run"
		chown postgres: "$WORK"
	fi
	unset MAKEFLAGS MFLAGS MAKELEVEL	# of the make that called us
	unset LC_ALL
	export LANG=C.UTF-8 LC_MESSAGES=C	# PostgreSQL::Test drops LC_ALL: without LANG its servers would not be UTF-8
	unset PGSERVICE PGSERVICEFILE PGHOSTADDR PGPASSWORD PGOPTIONS PGDATA PGPASSFILE PGSSLMODE
	export PG_CONFIG PATH="$BINDIR:$PATH" PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=60
	as_server mkdir -m 700 "$WORK/s" "$WORK/t"
}

as_server()
{
	if [ "$(id -u)" = 0 ]; then
		(cd "$WORK" && HOME=$WORK TMPDIR=$WORK/t exec runuser -u postgres -- "$@")
	else
		(cd "$WORK" && TMPDIR=$WORK/t exec "$@")
	fi
}

# as_server, but standing in the copied tree
in_tree()
{
	as_server env -C "$TREE" "$@"
}

cluster_copy()
{
	as_server mkdir -p "$TREE"
	tar -C "$ROOT" --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.so' --exclude='*.bc' -cf - . |
		as_server tar -C "$TREE" --no-same-owner -xf -
}

cluster_install()
{
	local as_root=()

	if [ ! -w "$("$PG_CONFIG" --pkglibdir)" ] || [ ! -w "$("$PG_CONFIG" --sharedir)/extension" ] || [ ! -w "$BINDIR" ]; then
		command -v sudo >/dev/null || die "installing into $("$PG_CONFIG" --pkglibdir) takes root or sudo"
		as_root=(sudo)
	fi
	"${as_root[@]}" "$MAKE" -C "$TREE" PG_CONFIG="$PG_CONFIG" "$@" install
}

cluster_build()
{
	cluster_copy && in_tree "$MAKE" -j2 PG_CONFIG="$PG_CONFIG" "$@" && cluster_install "$@"
}

cluster_start()
{
	local name=$1 data=$WORK/$1 setting

	shift
	as_server initdb --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync \
		>"$WORK/$name.initdb" 2>&1 || { cat "$WORK/$name.initdb" >&2; return 1; }
	{
		printf "listen_addresses = ''\nunix_socket_directories = '%s'\nport = %s\nfsync = off\n" "$PGHOST" "$PGPORT"
		printf "max_worker_processes = 16\nlog_line_prefix = '%%m [%%p] %%q%%a '\n"
		for setting in "$@"; do printf "%s = '%s'\n" "${setting%%=*}" "${setting#*=}"; done
	} | as_server tee -a "$data/postgresql.conf" >/dev/null
	if ! as_server pg_ctl --pgdata="$data" --log="$data/server.log" --wait --timeout=60 start >"$WORK/$name.start" 2>&1; then
		cat "$WORK/$name.start" "$data/server.log" >&2
		return 1
	fi
}

# stop_server DATA: at once, and without a word when it is down
stop_server()
{
	as_server pg_ctl --pgdata="$1" --mode=immediate --wait --timeout=60 stop >/dev/null 2>&1 || true
}

perl_test()
{
	local state=$1

	shift
	as_server mkdir -p "$state"
	in_tree env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE \
		TESTDIR="$state" TESTDATADIR="$state/data" TESTLOGDIR="$state/log" PG_REGRESS="$PGXS_TEST/regress/pg_regress" "$@"
}

cluster_stop()
{
	[ ! -e "$WORK/$1/postmaster.pid" ] || stop_server "$WORK/$1"
}

# Whatever server has its data there, also one that a test which was cut off has left.
stop_servers_under()
{
	local pidfile

	while read -r pidfile; do stop_server "${pidfile%/postmaster.pid}"; done < <(find "$1" -name postmaster.pid 2>/dev/null)
}

cluster_clean()
{
	stop_servers_under "$WORK"
	if [ -n "${KEEP:-}" ]; then
		say "kept: $WORK"
	else
		rm -rf "$WORK"
	fi
}
