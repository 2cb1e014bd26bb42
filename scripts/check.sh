#!/usr/bin/env bash
# Everything that can be said without running the code. Rules and their exceptions: pyproject.toml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy --strict
