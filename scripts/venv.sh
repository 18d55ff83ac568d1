#!/bin/sh
# Make .venv what `make` needs it to be, quickly when it already is: venv.sh run | test.
# A word on each choice: pip only, for nothing but Python is asked of a machine; one call with hashes and one
# without, for pip refuses an editable install beside --require-hashes; a marker while pip works, for what an
# interrupted pip leaves behind looks complete to the next one.
set -eu
kind=$1
venv=.venv
marker=$venv/.unfinished

die() {
    echo "usage-billing: $*" >&2
    exit 2
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    found=$(python3 --version 2>/dev/null) || found="none as python3"
    die "Python 3.11 or newer is needed, there is $found; install one, or set PYTHON=/path/to/python3.11"
}

lock=requirements.lock
if [ "$kind" = test ]; then lock=requirements-test.lock; fi
set -- setup.cfg pyproject.toml
if [ -f "$lock" ]; then set -- "$@" "$lock"; fi
# Everything that makes an existing environment a wrong one; the folder too, for it may have been moved.
wanted=$({ cat "$@"; pwd; } | cksum)
stamp=$venv/.made-$kind

if [ -e "$marker" ]; then
    echo "the last installation was interrupted; making $venv anew" >&2
    rm -rf "$venv"
elif [ -e "$venv" ] && ! new_enough "$venv/bin/python"; then
    echo "$venv has no Python that works; making it anew" >&2
    rm -rf "$venv"
fi
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi

if [ ! -e "$venv/bin/python" ]; then
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python cannot make environments: install its venv package (Debian, Ubuntu: apt install python3-venv)"
    echo "making $venv with $("$python" --version)" >&2
    mkdir -p "$venv"
    touch "$marker"
    "$python" -m venv "$venv"
fi
touch "$marker"
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null 2>&1 ||
    die "$venv has no pip; remove $venv and try again"
pip() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@"
}
echo "installing what is needed to $kind (a minute or two the first time)" >&2
if [ -f "$lock" ]; then
    pip --require-hashes -r "$lock"
    pip --no-deps -e .
elif [ "$kind" = test ]; then
    pip -e '.[test]'
else
    pip -e .
fi
# An environment for the tests runs everything too.
if [ "$kind" = test ]; then
    lock=requirements.lock
    set -- setup.cfg pyproject.toml
    if [ -f "$lock" ]; then set -- "$@" "$lock"; fi
    { cat "$@"; pwd; } | cksum >"$venv/.made-run"
fi
echo "$wanted" >"$stamp"
rm -f "$marker"
