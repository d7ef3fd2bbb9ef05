#!/bin/sh
# Installs kcode for the user who runs it, from the checkout this file lies in. See ./install.sh --help.
set -eu

usage() {
    cat <<'TEXT'
Usage: ./install.sh [OPTION]...

Without an option: installs kcode, or upgrades it, for you alone: an isolated environment under
your data folder and a link `kcode` in ~/.local/bin. Nothing is done as root or outside your folders.

  --demo            install, fetch the embedded model, and let it repair a bug in an example repository
  --test            make the development environment (.venv here) and run the whole test suite
  --weights         with --test: fetch the small model too, so that the embedded path is tested
  --uninstall       remove the program; models, sessions and settings stay
  --purge           with --uninstall: remove those as well
  --offline FOLDER  take every package from FOLDER (wheels, model files) and ask no server
  --no-embedded     without the embedded runtime: kcode then needs a key or a server
  --model NAME      fetch this embedded model (with --demo: and use it)
  --python PATH     the Python to use (3.11 or newer)
  --help            show this message

Mirrors and proxies: the settings of pip and uv are used as they are (PIP_INDEX_URL, pip.conf,
UV_DEFAULT_INDEX, HTTPS_PROXY, …).
TEXT
}

say() { printf '%s\n' "$@" >&2; }
step() { printf '==> %s\n' "$*" >&2; }
die() {
    printf 'install.sh: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

# ---- what is asked -------------------------------------------------------------------------------

parse_options() {
    task=install purge=no offline='' embedded=yes model='' asked_python='' weights=no
    while [ $# -gt 0 ]; do
        case $1 in
            --demo) task='demo' ;;
            --test) task='test' ;;
            --weights) weights=yes ;;
            --uninstall) task=uninstall ;;
            --purge) purge=yes ;;
            --no-embedded) embedded=no ;;
            --offline | --model | --python)
                [ $# -ge 2 ] && [ -n "$2" ] || usage_error "$1 needs a value"
                case $1 in
                    --offline) offline=$2 ;;
                    --model) model=$2 ;;
                    --python) asked_python=$2 ;;
                esac
                shift
                ;;
            -h | --help)
                usage
                exit 0
                ;;
            *) usage_error "there is no option $1" ;;
        esac
        shift
    done
    [ "$purge" = no ] || [ "$task" = uninstall ] || usage_error "--purge goes with --uninstall"
    [ "$weights" = no ] || [ "$task" = test ] || usage_error "--weights goes with --test"
    if [ -n "$offline" ]; then
        [ -d "$offline" ] || die "--offline: there is no folder $offline"
        offline=$(cd "$offline" && pwd)
    fi
}

usage_error() {
    printf 'install.sh: %s; ./install.sh --help shows what there is\n' "$1" >&2
    exit 2
}

# ---- where things are ----------------------------------------------------------------------------

# The XDG specification ignores relative folders, and so does kcode.
xdg() {
    case $1 in
        /*) printf '%s' "$1" ;;
        *) printf '%s' "$HOME/$2" ;;
    esac
}

find_folders() {
    [ -n "${HOME:-}" ] && [ -d "$HOME" ] || die "HOME does not name a folder" "set HOME to your own folder"
    data=$(xdg "${XDG_DATA_HOME:-}" .local/share)/kcode
    config=$(xdg "${XDG_CONFIG_HOME:-}" .config)/kcode
    state=$(xdg "${XDG_STATE_HOME:-}" .local/state)/kcode
    cache=$(xdg "${XDG_CACHE_HOME:-}" .cache)/kcode
    bin=$(xdg "${XDG_BIN_HOME:-}" .local/bin)
}

find_checkout() {
    checkout=$(cd "$(dirname "$0")" 2>/dev/null && pwd) || checkout=''
    grep -q '^name = "kcode"' "$checkout/pyproject.toml" 2>/dev/null ||
        die "this script installs the checkout it lies in, and there is none at ${checkout:-$0}" \
            "git clone kcode's repository, then run ./install.sh in it"
}

# ---- Python --------------------------------------------------------------------------------------

# Prints the interpreter's own path where it is new enough: a version manager's shim may name none.
usable_python() {
    "$1" -c 'import sys
ok = sys.version_info >= (3, 11)
print(getattr(sys, "_base_executable", "") or sys.executable) if ok else None
sys.exit(not ok)' 2>/dev/null </dev/null
}

has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 </dev/null; }

python_candidates() {
    for name in python3.13 python3.12 python3.11 python3.14 python3 python; do
        command -v "$name" 2>/dev/null || :
    done
    for each in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3; do
        if [ -x "$each" ]; then printf '%s\n' "$each"; fi
    done
    if have uv; then uv python find '>=3.11' 2>/dev/null || :; fi
}

have() { command -v "$1" >/dev/null 2>&1; }

find_python() {
    if [ -n "$asked_python" ]; then
        python=$(usable_python "$asked_python") ||
            die "--python $asked_python is not a Python 3.11 or newer that starts"
        has_venv "$python" || have uv || no_venv_module
        return
    fi
    python='' lacking=''
    candidates=$(python_candidates)
    old_ifs=$IFS
    IFS='
'
    for candidate in $candidates; do
        found=$(usable_python "$candidate") || continue
        if has_venv "$found" || have uv; then
            python=$found
            break
        fi
        lacking=${lacking:-$found}
    done
    IFS=$old_ifs
    [ -n "$python" ] && return
    if [ -n "$lacking" ]; then
        python=$lacking
        no_venv_module
    fi
    no_python
}

no_python() {
    case $(uname -s 2>/dev/null) in
        Darwin) how='brew install python@3.13, or the installer from python.org' ;;
        *)
            if have apt-get; then how='sudo apt-get install python3 python3-venv'
            elif have dnf; then how='sudo dnf install python3.12'
            elif have pacman; then how='sudo pacman -S python'
            elif have apk; then how='sudo apk add python3'
            elif have zypper; then how='sudo zypper install python312'
            else how="your system's package manager, or pyenv install 3.13"; fi
            ;;
    esac
    die "kcode needs Python 3.11 or newer, and none was found" \
        "get one: $how" "or with uv: uv python install 3.13" "or name one: ./install.sh --python PATH"
}

no_venv_module() {
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    die "$python has no venv module, so no isolated environment can be made with it" \
        "Debian, Ubuntu: sudo apt-get install python$version-venv (or python3-venv)" \
        "elsewhere: install uv, or name another Python: ./install.sh --python PATH"
}

# ---- packages ------------------------------------------------------------------------------------

# uv is faster, but does not read pip's settings: where only pip was told of a mirror, pip is used.
choose_installer() {
    installer=pip
    have uv || return 0
    has_venv "$python" || { installer=uv && return 0; }
    [ -z "${PIP_INDEX_URL:-}${PIP_EXTRA_INDEX_URL:-}${PIP_FIND_LINKS:-}${PIP_NO_INDEX:-}${PIP_CONFIG_FILE:-}${PIP_CERT:-}" ] || return 0
    for each in "$config/../pip/pip.conf" "$HOME/.pip/pip.conf" "$HOME/.config/pip/pip.conf" /etc/pip.conf; do
        [ ! -f "$each" ] || return 0
    done
    installer=uv
}

make_environment() {
    if [ "$installer" = uv ]; then
        uv venv --quiet --seed --python "$python" "$1" || die "uv could not make an environment at $1"
    else
        "$python" -m venv "$1" || die "$python could not make an environment at $1" \
            "is the disk full, or the folder not writable?"
    fi
}

# add ENVIRONMENT ARGUMENT...: installs; on failure $log tells why.
add() {
    environment=$1
    shift
    if [ -n "$offline" ]; then set -- --no-index --find-links "$offline" "$@"; fi
    if [ "$installer" = uv ]; then
        if [ -n "$offline" ]; then set -- --offline "$@"; fi
        rc=$work/rc
        { uv pip install --python "$environment/bin/python" --compile-bytecode --only-binary :all: "$@" 2>&1 &&
            echo 0 >"$rc" || echo 1 >"$rc"; } | tee "$log" >&2
        return "$(cat "$rc")"
    fi
    if ! [ -t 2 ]; then set -- --quiet --quiet --progress-bar off "$@"; fi
    : >"$log"
    "$environment/bin/python" -m pip --no-input --disable-pip-version-check --log "$log" \
        install --only-binary :all: "$@" >&2
}

in_log() { grep -Eiq "$1" "$log"; }

network_trouble() {
    in_log 'NewConnectionError|Failed to establish|name resolution|ConnectTimeout|Read timed out|ProxyError|SSLError|Network is unreachable|ConnectionReset|error sending request|dns error|Could not fetch URL'
}

# Names the remedy for what $log says; does not return.
explain() {
    if in_log 'DO NOT MATCH THE HASHES|hash mismatch'; then
        die "a package is not the one that was locked (see above): nothing was installed" \
            "this may be a broken download or a tampered mirror; try again, or with another mirror"
    elif in_log 'No space left'; then
        die "the disk is full" "make room under $data (or set TMPDIR to a folder with room), run it again"
    elif [ -n "$offline" ]; then
        missing=$(sed -n 's/.*No matching distribution found for \([^ ]*\).*/\1/p' "$log" | head -n 1)
        die "$offline lacks packages${missing:+ (the first: $missing)}" \
            "fill it on a machine with a network and the same kind of system and Python:" \
            "  pip download --only-binary :all: -d FOLDER -r requirements.lock" \
            "  and the same for requirements-embedded.lock and requirements-build.lock"
    elif network_trouble; then
        die "the package index could not be reached" \
            "behind a proxy: set HTTPS_PROXY" \
            "with a mirror: set PIP_INDEX_URL (uv: UV_DEFAULT_INDEX) to its address" \
            "without a network: ./install.sh --offline FOLDER with the wheels in it"
    fi
    die "the packages could not be installed (see above)" "the whole log: $log"
}

# add_locked ENVIRONMENT LOCK UNLOCKED...: by the lock; by the plain requirements where a mirror lacks it.
add_locked() {
    environment=$1 lock=$2
    shift 2
    add "$environment" --require-hashes -r "$checkout/$lock" && return 0
    if in_log 'DO NOT MATCH THE HASHES|hash mismatch|No space left' || network_trouble; then return 1; fi
    say "install.sh: warning: not everything in $lock is to be had here; taking what fits instead, unlocked"
    add "$environment" "$@"
}

# Builds kcode's wheel into $work/wheels; a folder given with --offline may hold one.
build_wheel() {
    mkdir -p "$work/wheels"
    if [ -n "$offline" ]; then
        for each in "$offline"/kcode-*.whl; do
            if [ -f "$each" ]; then
                cp "$each" "$work/wheels/"
                return
            fi
        done
    fi
    add_locked "$1" requirements-build.lock --target "$work/build" 'hatchling>=1.27' || explain
    (cd "$checkout" && PYTHONPATH=$work/build PYTHONDONTWRITEBYTECODE=1 "$1/bin/python" -m hatchling build \
        -t wheel -d "$work/wheels") >"$log" 2>&1 || { cat "$log" >&2; die "kcode's wheel could not be built"; }
}

check_disk() { # FOLDER MEGABYTES
    place=$1
    while [ ! -d "$place" ]; do place=$(dirname "$place"); done
    [ -w "$place" ] || die "$place is not writable" "check its permissions, or set XDG_DATA_HOME"
    free=$(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
    [ -z "$free" ] || [ "$free" -ge "$2" ] ||
        die "$place has $free MB free, and about $2 MB are needed" "make room, or set XDG_DATA_HOME to another disk"
}

start_work() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/kcode-install.XXXXXX") || die "no temporary folder could be made"
    log=$work/log
    fresh=''
    # A broken environment is never left behind; the one in use is not touched before the switch.
    trap 'rc=$?; [ -z "$fresh" ] || rm -rf "$fresh"; [ "$rc" -ne 0 ] && [ -s "$log" ] && keep_log; rm -rf "$work"; exit $rc' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    unset PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV VIRTUAL_ENV
    export PIP_USER=0
}

keep_log() { { mkdir -p "$state" && cp "$log" "$state/install.log" && say "  log: $state/install.log"; } 2>/dev/null || :; }

# ---- tasks ---------------------------------------------------------------------------------------

replace_link() { # TARGET LINK, in one step
    rm -f "$2.new"
    ln -s "$1" "$2.new"
    "$python" -c 'import os, sys; os.replace(*sys.argv[1:])' "$2.new" "$2"
}

link_is_ours() {
    case $(readlink "$bin/kcode" 2>/dev/null) in
        "$data"/venv/bin/kcode) return 0 ;;
        *) return 1 ;;
    esac
}

install_kcode() {
    find_python
    choose_installer
    if [ "$(id -u)" = 0 ]; then say "install.sh: running as root: kcode is installed for root only, in $HOME"; fi
    if [ -e "$bin/kcode" ] || [ -L "$bin/kcode" ]; then
        link_is_ours || die "$bin/kcode is there and was not made by this script" \
            "move it away, or set XDG_BIN_HOME to another folder"
    fi
    check_disk "$data" 400
    start_work
    mkdir -p "$data/venvs" "$bin" || die "$data or $bin cannot be made" "check their permissions"
    step "kcode for $("$python" -V 2>&1) with $installer"
    fresh=$data/venvs/$(date +%Y%m%d-%H%M%S)-$$
    make_environment "$fresh"
    step "building kcode"
    build_wheel "$fresh"
    step "fetching the packages kcode needs (about 25 MB)"
    wheel=$(echo "$work"/wheels/kcode-*.whl)
    add_locked "$fresh" requirements.lock "$wheel" || explain
    add "$fresh" --no-deps "$wheel" || explain
    if [ "$embedded" = yes ]; then add_embedded; fi
    "$fresh/bin/kcode" config path >/dev/null 2>"$log" || { cat "$log" >&2; die "the new kcode does not start"; }
    switch_to_fresh
    step "$("$bin/kcode" --version) is installed: $bin/kcode"
    path_hint
}

add_embedded() {
    step "fetching the embedded runtime (about 34 MB)"
    add_locked "$fresh" requirements-embedded.lock 'xllamacpp>=2026.9' && return 0
    if [ "$task" = demo ]; then
        if ! network_trouble; then say "install.sh: there is no embedded runtime for this machine"; fi
        explain
    fi
    embedded=no
    say "install.sh: warning: no embedded runtime for this machine was found; kcode is installed without it" \
        "and needs a key (MOONSHOT_API_KEY) or a server. ./install.sh tries again."
}

switch_to_fresh() {
    previous=$(readlink "$data/venv" 2>/dev/null || :)
    replace_link "$fresh" "$data/venv"
    replace_link "$data/venv/bin/kcode" "$bin/kcode"
    current=$fresh
    fresh=''
    # A session that still runs from the previous environment keeps it until the next upgrade.
    for each in "$data"/venvs/*; do
        if [ "$each" != "$current" ] && [ "$each" != "$previous" ]; then rm -rf "$each"; fi
    done
}

path_hint() {
    case ":$PATH:" in *":$bin:"*) return ;; esac
    shown=$bin
    case $bin in "$HOME"/*) shown="\$HOME${bin#"$HOME"}" ;; esac
    case ${SHELL:-} in
        */zsh) line="echo 'export PATH=\"$shown:\$PATH\"' >> ~/.zshrc" ;;
        */fish) line="fish_add_path \"$shown\"" ;;
        *) line="echo 'export PATH=\"$shown:\$PATH\"' >> ~/.bashrc" ;;
    esac
    say "$bin is not on your PATH yet. To add it:" "" "    $line" ""
}

pull_model() { # KCODE NAME
    if [ -n "$offline" ]; then
        "$1" models pull "$2" --from "$offline"
    else
        "$1" models pull "$2"
    fi
}

run_demo() {
    install_kcode
    name=${model:-$(KCODE_PROVIDER=embedded "$bin/kcode" config get embedded.model)}
    step "fetching the embedded model $name"
    pull_model "$bin/kcode" "$name" || die "the embedded model could not be fetched" "see above; to go on: ./install.sh --demo"
    step "kcode demo"
    rc=0
    KCODE_PROVIDER=embedded KCODE_EMBEDDED__MODEL=$name "$bin/kcode" demo || rc=$?
    exit "$rc"
}

uninstall() {
    if link_is_ours; then rm -f "$bin/kcode"; fi
    rm -rf "$data/venvs"
    rm -f "$data/venv"
    if [ "$purge" = yes ]; then
        for each in "$data" "$config" "$state" "$cache"; do
            case $each in */kcode) rm -rf "$each" ;; esac
        done
        say "kcode is removed, with its models, sessions and settings."
        return
    fi
    rmdir "$data" 2>/dev/null || :
    say "kcode is removed."
    for each in "$data" "$config" "$state" "$cache"; do
        if [ -d "$each" ]; then say "  kept: $each"; fi
    done
    say "./install.sh --uninstall --purge removes models, sessions and settings as well."
}

# The checks run in this order so that pytest's summary is the last thing on the screen.
run_tests() {
    find_python
    choose_installer
    check_disk "$checkout" 700
    start_work
    step "development environment with $("$python" -V 2>&1) and $installer: $checkout/.venv"
    if [ ! -x "$checkout/.venv/bin/python" ]; then make_environment "$checkout/.venv"; fi
    tests=$checkout/.venv
    plain_requirements >"$work/dev.txt"
    add_locked "$tests" requirements-dev.lock -r "$work/dev.txt" || explain
    add "$tests" --no-deps --no-build-isolation --no-binary kcode -e "$checkout" || explain
    cd "$checkout"
    if [ -z "${KCODE_TEST_MODEL:-}" ]; then find_weights; fi
    failed=''
    check 'ruff check' ruff check .
    check 'ruff format' ruff format --check .
    check 'mypy' mypy
    check 'import-linter' lint-imports
    check 'pip-audit' python .ci/audit.py
    if [ -n "$failed" ]; then say "" "install.sh: these checks failed:$failed (the tests follow)" ""; fi
    step "pytest"
    "$tests/bin/python" -m pytest -n "${KCODE_TEST_WORKERS:-auto}" || failed="$failed pytest"
    [ -z "$failed" ]
}

# What pyproject.toml asks for, for where the lock cannot be had.
plain_requirements() {
    "$python" -c 'import sys, tomllib
table = tomllib.load(open(sys.argv[1], "rb"))
project = table["project"]
print(*project["dependencies"], *project["optional-dependencies"]["embedded"], *table["dependency-groups"]["dev"], sep="\n")
' "$checkout/pyproject.toml"
}

check() {
    step "$1"
    label=$1 program=$2
    shift 2
    "$tests/bin/$program" "$@" >&2 || failed="$failed $label,"
}

# Sets KCODE_TEST_MODEL to the small model's file, or says why the embedded path is not tested.
find_weights() {
    small=qwen2.5-coder-0.5b
    weights_home=${KCODE_CI_CACHE:-$(xdg "${XDG_CACHE_HOME:-}" .cache)/kcode-ci}
    if [ "$weights" = yes ]; then
        step "the small model for the embedded path (478 MB, kept in $weights_home)"
        mkdir -p "$weights_home"
        XDG_DATA_HOME=$weights_home pull_model "$tests/bin/kcode" "$small" >&2 || :
    fi
    for home in "$weights_home" "$(dirname "$data")"; do
        if KCODE_TEST_MODEL=$(XDG_DATA_HOME=$home "$tests/bin/kcode" models path "$small" 2>/dev/null); then
            export KCODE_TEST_MODEL
            return
        fi
    done
    unset KCODE_TEST_MODEL
    if [ "$weights" = yes ]; then
        say "install.sh: the embedded path is not tested: no source gave the weights (see above)"
    else
        say "install.sh: the embedded path is not tested: no weights here (--weights fetches them, 478 MB)"
    fi
}

main() {
    parse_options "$@"
    case $(uname -s 2>/dev/null) in
        MINGW* | MSYS* | CYGWIN*) die "this script is for Linux, macOS and WSL" "on Windows, run it inside WSL" ;;
    esac
    find_folders
    case $task in
        uninstall) uninstall ;;
        *)
            find_checkout
            case $task in
                install)
                    install_kcode
                    if [ -n "$model" ]; then pull_model "$bin/kcode" "$model"; fi
                    ;;
                demo) run_demo ;;
                test) run_tests ;;
            esac
            ;;
    esac
}

main "$@"
