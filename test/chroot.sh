# shellcheck shell=bash
# chroot.sh - a Debian of its own in a folder, for tests that root runs; to be sourced.
#
#   chroot_make [OPTION...] SUITE FOLDER [ADDRESS [SCRIPT]]
#                                        fills the folder by debootstrap, from this archive; if '', from the one that debootstrap knows
#   inside FOLDER COMMAND...             runs a command with the folder as its root
#   chroot_clean                         ends what still runs; for the trap EXIT
#
#   archives DISTRIBUTION                what this machine's apt reads: lines of `address suite component...`
#   mirror DISTRIBUTION                  the address of its releases there; empty on a machine of another distribution
#
# Mounts and processes are in namespaces of their own, so they end with the script, also when it is killed.

running=

# Waits for the command in the background, which chroot_clean ends if the script ends before.
await()
{
	local status=0

	running=$!
	wait $running || status=$?
	running=
	return $status
}

chroot_clean()
{
	# The processes of a namespace end with its first one.
	[ -z "$running" ] || kill -KILL "$running" 2>/dev/null
}

chroot_make()
{
	unshare --mount --pid --fork --kill-child debootstrap --variant=minbase "$@" </dev/null &
	await
}

inside()
{
	# pivot_root, because a process below chroot may not make the namespaces that some tests make. The folder may be on a file
	# system without devices, so those are the machine's. The environment has the settings of pip and OpenBLAS; pip reaches its
	# index by the certificates that the machine trusts.
	# shellcheck disable=SC2016
	unshare --mount --pid --ipc --fork --kill-child bash -c '
		mount --bind "$1" "$1" && cd "$1" && mount -t proc proc proc && mount -t tmpfs -o mode=755 dev dev || exit 1
		for device in null zero full random urandom tty; do : >dev/$device && mount --bind "/dev/$device" dev/$device || exit 1; done
		mkdir dev/shm && mount -t tmpfs -o mode=1777 shm dev/shm && ln -s /proc/self/fd dev/fd || exit 1
		cp -L /etc/resolv.conf /etc/hosts etc
		bundle=etc/ssl/certs/ca-certificates.crt
		[ ! -e $bundle ] || [ ! -e /$bundle ] || cp -L /$bundle $bundle
		pivot_root . . && umount -l . && cd / || exit 1
		shift
		exec "$@"' inside "$1" /usr/bin/env -u TMPDIR -u PG_CONFIG -u PG_MAJOR HOME=/root LANG=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${@:2}" </dev/null &
	await
}

archives()
{
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' "Origin: $1" 2>/dev/null |
		awk '{ s = $1 " " $2; if (!(s in c)) order[++n] = s; c[s] = c[s] " " $3 } END { for (i = 1; i <= n; i++) print order[i] c[order[i]] }'
}

# A release has no suffix in its name, such as -updates or -security.
mirror()
{
	archives "$1" | awk '$2 !~ /-/ { print $1; exit }'
}
