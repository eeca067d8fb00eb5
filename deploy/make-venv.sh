#!/usr/bin/env bash
# Makes a virtual environment with uv in it: make-venv.sh PYTHON FOLDER
set -euo pipefail
python=$1 venv=$2

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Frostline needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1). Try: make PYTHON=python3.12 ..." >&2
    exit 1
}
if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
    rm -rf "$venv"
    if "$python" -m pip --version >/dev/null 2>&1; then # no ensurepip (plain Debian python3), but pip is there
        "$python" -m venv --without-pip "$venv"
        "$python" -m pip --python "$venv/bin/python" install -q pip
    else
        echo "python3 cannot make virtual environments here; installing Debian's python3-venv ..."
        root=""; [ "$(id -u)" = 0 ] || root=sudo
        $root apt-get update -qq && $root apt-get install -y -qq python3-venv >/dev/null
        "$python" -m venv "$venv"
    fi
fi
"$venv/bin/python" -m pip install -q --disable-pip-version-check uv
