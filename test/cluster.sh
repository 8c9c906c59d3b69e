# shellcheck shell=bash
# cluster.sh - functions for throwaway servers of the tests, the demo and the measurements; to be sourced.
#
#   cluster_prepare         installs missing packages, makes the folder $WORK, which is removed at exit, and copies the
#                           PostgreSQL that PG_CONFIG names into $WORK/server; PG_CONFIG then names the copy
#   cluster_build [flags]   copies the tree to $TREE, builds it there, and installs it into the copied PostgreSQL
#   pack_tree               writes the tree, without what a build makes, as an archive of tar to standard output
#   machine_files           checksums of the files of xmcoh in the machine's own PostgreSQL
#   as_server COMMAND...    runs a command as a user who may run a server: `postgres` for root, else the same user
#   cluster_start NAME [SETTING=VALUE...]
#                           starts a new cluster with its own socket folder, without a TCP port
#   cluster_stop NAME
#
#   perl_test STATE COMMAND...
#                           runs a command of PostgreSQL::Test in $TREE; its clusters are in the folder STATE. Several may run at
#                           the same time, each with a STATE of its own
#
# Why the copies: a server never runs as root, and its user may not be able to read this folder. The machine's PostgreSQL may be in
# use with another version of xmcoh, which must stay.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
MAKE=${MAKE:-make}
JOBS=$(nproc 2>/dev/null || echo 2)	# of make

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

cluster_prepare()
{
	local default

	# On Debian, pg_config without a path is a script; the default is the program of one version.
	if [ -e /etc/debian_version ]; then
		bash "$ROOT/test/setup.sh" || die "cannot install what is missing"
		default=/usr/lib/postgresql/$(bash "$ROOT/test/major.sh")/bin/pg_config
		if [ "${PG_CONFIG:-pg_config}" = pg_config ] && [ -x "$default" ]; then
			PG_CONFIG=$default
		fi
	fi
	PG_CONFIG=${PG_CONFIG:-pg_config}
	"$PG_CONFIG" --bindir >/dev/null || die "no PostgreSQL: $PG_CONFIG does not run; set PG_CONFIG"

	WORK=$(mktemp -d "/tmp/xmcoh.XXXXXX")
	TREE=$WORK/tree
	trap cluster_clean EXIT
	trap 'exit 130' INT TERM HUP
	if [ "$(id -u)" = 0 ]; then
		id postgres >/dev/null 2>&1 || die "no user postgres, as whom the server would run"
		chown postgres: "$WORK"
	fi
	unset MAKEFLAGS MFLAGS MAKELEVEL	# set by the calling make
	unset LC_ALL
	export LANG=C.UTF-8 LC_MESSAGES=C	# PostgreSQL::Test removes LC_ALL; LANG makes its servers use UTF-8
	unset PGSERVICE PGSERVICEFILE PGHOSTADDR PGPASSWORD PGOPTIONS PGDATA PGPASSFILE PGSSLMODE
	server_copy
	# shellcheck disable=SC2034
	PGXS_TEST=$(dirname "$("$PG_CONFIG" --pgxs)")/../test
	export PG_CONFIG PATH="$BINDIR:$PATH" PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=60
	as_server mkdir -m 700 "$WORK/s" "$WORK/t"
}

# Copies the PostgreSQL that PG_CONFIG names into $WORK/server and sets PG_CONFIG and BINDIR to the copy. A program of PostgreSQL
# finds the other folders relative to its own real path. So the programs are copied, and all folders keep their relative paths.
# The folders that xmcoh is installed into are new folders with links to the machine's files; other folders are links.
server_copy()
{
	local folder common

	MACHINE_PG_CONFIG=$PG_CONFIG
	common=$("$PG_CONFIG" --bindir)
	for folder in pkglibdir sharedir libdir includedir pkgincludedir includedir-server; do
		folder=$("$PG_CONFIG" "--$folder")
		while [ "${folder#"$common"/}" = "$folder" ]; do common=${common%/*}; done
	done
	copy_of() { echo "$WORK/server${1#"$common"}"; }

	BINDIR=$(copy_of "$("$PG_CONFIG" --bindir)")
	mkdir -p "$BINDIR" "$(copy_of "$("$PG_CONFIG" --pkglibdir)")" "$(copy_of "$("$PG_CONFIG" --sharedir)")/extension"
	(
		cd "$("$PG_CONFIG" --bindir)"
		shopt -s nullglob
		cp -p initdb postgres* pg_* psql* pgbench* createdb* createuser* dropdb* dropuser* clusterdb* reindexdb* vacuumdb* "$BINDIR"
	)
	for folder in pkglibdir sharedir libdir includedir pkgincludedir includedir-server; do
		folder=$("$PG_CONFIG" "--$folder")
		link_folder "$folder" "$(copy_of "$folder")"
	done
	folder=$("$PG_CONFIG" --sharedir)/extension
	link_folder "$folder" "$(copy_of "$folder")"
	[ "$(id -u)" != 0 ] || chown -hR postgres: "$WORK/server"

	folder=$(copy_of "$("$PG_CONFIG" --sharedir)")
	PG_CONFIG=$BINDIR/pg_config
	[ "$("$PG_CONFIG" --sharedir)" = "$folder" ] ||
		die "the copy of PostgreSQL in $WORK/server takes its files from $("$PG_CONFIG" --sharedir), not from $folder"
}

# link_folder FOLDER COPY: makes COPY a link to FOLDER. If COPY exists, links the missing entries, without those of xmcoh.
link_folder()
{
	local entry missing=()

	[ -d "$1" ] || return 0
	if [ ! -e "$2" ]; then
		mkdir -p "${2%/*}"
		ln -s "$1" "$2"
		return
	fi
	for entry in "$1"/*; do
		[ -e "$2/${entry##*/}" ] || [[ ${entry##*/} = xmcoh* ]] || missing+=("$entry")
	done
	[ ${#missing[@]} = 0 ] || ln -s -t "$2" "${missing[@]}"
}

machine_files()
{
	local folders

	folders=$(for folder in bindir pkglibdir sharedir mandir; do "$MACHINE_PG_CONFIG" "--$folder"; done)
	# shellcheck disable=SC2086
	find -H $folders /usr/local/bin /usr/local/share/man -name 'xmcoh*' -type f -exec sha256sum {} + 2>/dev/null | sort -k 2
}

as_server()
{
	if [ "$(id -u)" = 0 ]; then
		(cd "$WORK" && HOME=$WORK TMPDIR=$WORK/t exec runuser -u postgres -- "$@")
	else
		(cd "$WORK" && TMPDIR=$WORK/t exec "$@")
	fi
}

# as_server in the copied tree
in_tree()
{
	as_server env -C "$TREE" "$@"
}

pack_tree()
{
	tar -C "$ROOT" --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.so' --exclude='*.bc' -cf - .
}

cluster_copy()
{
	as_server mkdir -p "$TREE"
	pack_tree | as_server tar -C "$TREE" --no-same-owner -xf -
}

cluster_build()
{
	cluster_copy && in_tree "$MAKE" -j"$JOBS" PG_CONFIG="$PG_CONFIG" "$@" &&
		in_tree "$MAKE" PG_CONFIG="$PG_CONFIG" CLI_BINDIR="$BINDIR" "$@" install
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

# stop_server DATA: stops at once; prints nothing if the server is down
stop_server()
{
	as_server pg_ctl --pgdata="$1" --mode=immediate --wait --timeout=60 stop >/dev/null 2>&1 || true
}

perl_test()
{
	local state=$1

	shift
	as_server mkdir -p "$state"
	# All commands reserve their ports in one folder.
	in_tree env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE \
		PG_TEST_PORT_DIR="$WORK/ports" TESTDIR="$state" TESTDATADIR="$state/data" TESTLOGDIR="$state/log" PG_REGRESS="$PGXS_TEST/regress/pg_regress" "$@"
}

cluster_stop()
{
	[ ! -e "$WORK/$1/postmaster.pid" ] || stop_server "$WORK/$1"
}

# Stops every server with its data in the folder, also those that a stopped test has left.
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
