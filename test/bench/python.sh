# shellcheck shell=bash
# python.sh - sets PYTHON, the Python that other programs are compared in: Debian's, into which setup.sh installs packages, and not
# another python3 that PATH may have first. To be sourced; PYTHON= names another one.
# shellcheck disable=SC2034
PYTHON=${PYTHON:-/usr/bin/python3}
