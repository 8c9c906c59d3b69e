#!/bin/bash
# python.sh - prints the path of a Python with packages: python.sh NAME PACKAGE...
#
# pip installs the packages into build/python-NAME once. Fails, with pip's message, if it cannot.
set -uo pipefail
home=$(cd "$(dirname "$0")/../.." && pwd)/build/python-$1
shift

if [ "$(cat "$home/installed" 2>/dev/null)" != "$*" ]; then
	rm -rf "$home"
	{
		python3 -m venv "$home" &&
			"$home/bin/pip" --disable-pip-version-check install --quiet --no-deps "$@"
	} >&2 || exit 1
	echo "$*" >"$home/installed"
fi
echo "$home/bin/python"
