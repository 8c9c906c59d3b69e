# shellcheck shell=bash
# others.sh - processor time that other processes used during a measurement; to be sourced after cluster.sh.
#
#   others_begin NAME   starts the measurement; NAME: our server, as given to cluster_start
#   others_row          prints the line what|measured|unit|op|target: mean number of processors that others used since then

# Ticks for which the machine has been busy, less those of this shell's children and of the server's ended processes.
others_ticks()
{
	{ cat /proc/stat; sed 's/^.*) /own /' "/proc/$$/stat" "/proc/$others_server/stat"; } |
		awk '$1 == "cpu" { n += $2 + $3 + $4 + $7 + $8 + $9 } $1 == "own" { n -= $13 + $14 + $15 + $16 } END { print n }'
}

others_begin()
{
	others_server=$(as_server head -1 "$WORK/$1/postmaster.pid")
	others_before=$(others_ticks)
	others_start=$EPOCHREALTIME
}

others_row()
{
	awk -v a="$others_before" -v b="$(others_ticks)" -v start="$others_start" -v now="$EPOCHREALTIME" -v tick="$(getconf CLK_TCK)" 'BEGIN {
		printf "  others had of the processors meanwhile (the more, the less say the lines above)|%.2f||<=|0.2\n", (b - a) / tick / (now - start)
	}'
}
