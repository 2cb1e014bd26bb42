#!/usr/bin/env bash
# Installs the Debian packages the tests start programs from, where the user may; where not, goes on: the tests that
# need a missing program are then left out and named at the end (tests/collection.py; with CI=true that fails).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing="$(.venv/bin/python -m tests.servers.programs)"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=(env)
elif sudo -n true 2>/dev/null; then
    as_root=(sudo -n env)
else
    echo "Missing, and no right to install it without a password: $missing"
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "Missing, and there is no apt-get to install it with: $missing"
    exit 0
fi

echo "Installing for the tests: $missing ..."
apt=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -q)
"${apt[@]}" update || echo "apt-get update failed; trying with the package lists that are there."
# One at a time: a package that this system does not have must not keep the others away.
for package in $missing; do
    "${apt[@]}" install -y --no-install-recommends "$package" || echo "$package could not be installed; going on."
done
