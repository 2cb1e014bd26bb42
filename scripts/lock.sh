#!/usr/bin/env bash
# Writes requirements.lock from pyproject.toml: exact versions with hashes, for every platform, no registry address in
# it. Versions already there stay unless --upgrade (or --upgrade-package NAME) is given.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# uv makes the lock and is needed for nothing else: it lives in a throw-away environment and not in .venv.
tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check uv
"$tools/bin/uv" pip compile pyproject.toml --extra dev --python-version 3.11 --universal --generate-hashes \
    --no-header --no-annotate --no-strip-extras --quiet "$@" -o requirements.lock
