#!/usr/bin/env bash
# The whole test run: the programs the tests start, then lint and types, then the tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/debian_packages.sh
scripts/check.sh
# Two workers, each with servers of its own. Tests of one module may run in either: pytest-xdist 3.8 loses its
# xdist_group marks under pytest 9.2, so what must not be split is one test.
exec .venv/bin/python -m pytest -n 2 --dist loadgroup "$@"
