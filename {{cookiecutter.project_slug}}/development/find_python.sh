#!/bin/sh
# Runs SCRIPT with the first Python >= 3.11 that really works: sh find_python.sh SCRIPT [ARGUMENTS]
#
# Every candidate is tried, because the first one on the path may be a shim that fails or an older version that hides
# a newer one behind it.
set -eu

# Another environment's settings must not reach into the one that is being made.
unset PYTHONPATH PYTHONHOME

run_if_it_works() {
    python=$1
    shift
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1; then
        exec "$python" -s "$@"
    fi
}

if [ -n "${PYTHON:-}" ]; then
    run_if_it_works "$PYTHON" "$@"
    echo "PYTHON=$PYTHON is not a working Python 3.11 or newer; looking for another." >&2
fi

set -f # a folder's name may contain a star
IFS=:
for folder in $PATH; do
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if [ -x "$folder/$name" ]; then
            run_if_it_works "$folder/$name" "$@"
        fi
    done
done
set +f

for python in "${HOME:-}"/.pyenv/versions/*/bin/python3; do
    if [ -x "$python" ]; then
        run_if_it_works "$python" "$@"
    fi
done

echo "Python 3.11 or newer was not found: install it (for example: apt install python3 python3-venv, or brew install python), or set PYTHON to the path of one." >&2
exit 1
