#!/usr/bin/env bash
# Makes .venv from requirements.lock, or does nothing when it is there, whole and of this lock file.
#
# .venv/whole is written last and says what was installed. While it is missing the environment may be half-made (a
# kill, a full disk), and pip cannot tell a half-written package from a whole one: so it is then made from nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "$*" >&2
    exit 1
}

# The path is part of the key: the scripts in .venv/bin name it, so a moved or copied checkout needs a new one.
wanted="$(sha256sum requirements.lock pyproject.toml; pwd)"
if [ -x .venv/bin/python ] && [ "$(cat .venv/whole 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

python=""
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python="$candidate"
        break
    fi
done
if [ -z "$python" ]; then
    found="$("${PYTHON:-python3}" --version 2>/dev/null || echo "${PYTHON:-python3}, which is not there")"
    fail "Python 3.11 or newer is needed, not $found; install it with: sudo apt-get install python3 python3-venv" \
        "(where that is older, python3.11 python3.11-venv)"
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python's venv module is missing; install it with: sudo apt-get install $(basename "$python")-venv"

if [ -e .venv/whole ] && .venv/bin/python -c 'import pip' 2>/dev/null && grep -qxF "$(pwd)" .venv/whole; then
    echo "The lock file has changed: bringing .venv up to date ..."
else
    echo "Making .venv and installing what requirements.lock names (a minute or two, once) ..."
    "$python" -m venv --clear .venv
fi
rm -f .venv/whole
export PIP_DISABLE_PIP_VERSION_CHECK=1
# Only wheels: a fresh machine has no compiler, and "no wheel for this Python" is a clearer end than a failed build.
.venv/bin/python -m pip install --quiet --only-binary :all: --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
printf '%s\n' "$wanted" >.venv/whole
