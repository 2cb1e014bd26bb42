#!/usr/bin/env bash
# The whole test run: the programs the tests start, then lint and types, then the tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/debian_packages.sh
scripts/check.sh
# Two workers, each with servers of its own; tests that must not be split share an xdist_group.
exec .venv/bin/python -m pytest -n 2 --dist loadgroup "$@"
