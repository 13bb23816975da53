# Sourced by the commands beside this file: finds a Python and makes the environment they run in.
#
#   use_environment           the development environment: leaves its interpreter's path in $python
#   find_python 3.10          prints the path of a Python of that version, or fails
#   make_environment DIR PY FILE...   makes DIR from interpreter PY with the locked requirements FILE...
#
# PYTHON=python3.12 chooses the interpreter; its environment is then .venv-3.12 instead of .venv.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Each command starts Python several times, so compiled modules must be allowed to stay.
unset PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# Prints "3.10" for a working interpreter. A pyenv shim may exist without its Python, so it is run, not looked up.
python_version() { "$1" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

find_python() {
    local version=$1 root candidate
    root=${PYENV_ROOT:-$HOME/.pyenv}
    for candidate in "python$version" "${PYTHON:-python3}" python3 \
        "$root/versions/$version."*/bin/python3 \
        "$HOME/.local/share/uv/python/cpython-$version."*/bin/python3 \
        /usr/local/bin/python3 /usr/bin/python3; do
        if [ "$(python_version "$candidate")" = "$version" ]; then
            "$candidate" -I -c 'import os, sys; print(os.path.realpath(sys.executable))'
            return
        fi
    done
    return 1
}

chosen_python() {
    local wanted=${PYTHON:-python3} version
    if [ -n "$(python_version "$wanted")" ]; then
        printf '%s\n' "$wanted"
    elif version=${wanted#python} && [[ $version =~ ^3\.[0-9]+$ ]] && find_python "$version"; then
        return
    else
        fail "$wanted does not run here; install Python 3.10 or newer, or name one: PYTHON=/path/to/python $0"
    fi
}

check_python() {
    "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "$1 is Python $(python_version "$1"), but 3.10 or newer is needed; name another one: PYTHON=python3.12 $0"
    "$1" -I -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$1 cannot make environments: its venv module is missing (on Debian or Ubuntu: apt-get install python3-venv)"
}

# What an environment was made from: the interpreter and the content of the locked requirements.
environment_stamp() {
    local interpreter=$1
    shift
    "$interpreter" -I - "$@" <<'PYTHON'
import hashlib, os, pathlib, sys
text = b"\0".join(pathlib.Path(name).read_bytes() for name in sys.argv[1:])
print(hashlib.sha256(text).hexdigest(), os.path.realpath(sys.executable), sys.version.split()[0])
PYTHON
}

make_environment() {
    local directory=$1 interpreter=$2 stamp file
    shift 2
    stamp=$(environment_stamp "$interpreter" "$@")
    if [ -f "$directory/stamp" ] && [ "$(cat "$directory/stamp")" = "$stamp" ]; then
        return
    fi
    say "making $directory with Python $(python_version "$interpreter") from $*"
    rm -rf "$directory"
    "$interpreter" -m venv "$directory"
    for file in "$@"; do
        # The locked file names every package, so nothing is left to resolve (--no-deps), and the few packages
        # without a wheel are built by the locked setuptools, not by whatever is newest (--no-build-isolation).
        "$directory/bin/python" -m pip install -qq --disable-pip-version-check --no-input --no-compile \
            --require-hashes --no-deps --no-build-isolation -r "$file" </dev/null
    done
    printf '%s\n' "$stamp" >"$directory/stamp"
}

use_environment() {
    local interpreter directory=.venv
    interpreter=$(chosen_python)
    check_python "$interpreter"
    if [ -n "${PYTHON:-}" ]; then
        directory=.venv-$(python_version "$interpreter")
    fi
    make_environment "$directory" "$interpreter" requirements-build.txt requirements-dev.txt
    python=$PWD/$directory/bin/python
}
