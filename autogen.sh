#!/bin/sh
# Makes ./configure from configure.ac. Needs autoconf, automake and pkg-config (pkg.m4).
set -e
cd "$(dirname "$0")"
for tool in autoreconf automake; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "autogen.sh: $tool is missing; Debian: apt-get install autoconf automake pkg-config" >&2
        exit 69
    }
done
exec autoreconf --install --force
