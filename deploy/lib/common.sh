#!/usr/bin/env bash
# What the scripts of deploy/ share: waiting with a bound, free ports, rights. Sourced, not run.
#
# Takes:  nothing; the sourcing script has set -euo pipefail.
# Leaves: functions only.

# say WORDS...: one progress line.
say() {
  printf '%s\n' "$*"
}

# fail WORDS...: says what went wrong and ends the script.
fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# as_root COMMAND...: runs it as root, by sudo where we are not. The environment is not passed on.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "needs root for \"$1\", and there is no sudo"
  fi
}

# once TARGET COMMAND...: has the command fill a new directory that becomes TARGET, whole or not at all; nothing where it is there. Of
# several processes one works and the others wait. What the command prints goes to standard error.
once() {
  local target=$1 parent
  parent=$(dirname "$target")
  shift
  mkdir -p "$parent"
  (
    flock 9
    [[ ! -d $target ]] || exit 0
    work=$(mktemp -d "$parent/new.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    "$@" "$work" >&2
    chmod 755 "$work"
    mv "$work" "$target"
    trap - EXIT
  ) 9>"$parent/lock"
}

# pip_into LIST DIRECTORY: installs the pinned packages of a list, and nothing they might ask for besides.
pip_into() {
  python3 -m pip install --quiet --no-deps --only-binary=:all: --root-user-action=ignore --disable-pip-version-check \
    --target "$2" --requirement "$1"
}

# free_port: prints a TCP port of 127.0.0.1 that was free just now.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# wait_for SECONDS WHAT COMMAND...: runs the command until it succeeds; fails when that takes longer.
wait_for() {
  local limit=$1 what=$2 deadline=$((SECONDS + $1))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      printf 'gave up after %d s: %s\n' "$limit" "$what" >&2
      return 1
    fi
    sleep 0.1
  done
}

# milliseconds: of a clock, for differences.
milliseconds() {
  date +%s%3N
}

# seconds_since MILLISECONDS: prints the time since then as seconds with one decimal.
seconds_since() {
  local elapsed=$(($(milliseconds) - $1))
  printf '%d.%d' "$((elapsed / 1000))" "$((elapsed % 1000 / 100))"
}

# http_ok URL: whether it answers 2xx within 2 s. Proxies are for elsewhere, not for loopback.
http_ok() {
  curl --fail --silent --noproxy '*' --max-time 2 --output /dev/null "$1"
}
