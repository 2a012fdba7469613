#!/usr/bin/env bash
# Installs what deploy/validate.py checks documents with, once a machine, and prints where.
#
# Takes:  nothing; pip and npm as the machine has them.
# Does:   installs the pinned Python packages of validators.txt, and takes the SARIF Multitool (Microsoft's own validator,
#         with the official schema) out of its npm package. Another list or another Python is another directory.
# Leaves: CACHE/validators/KEY/python and CACHE/validators/KEY/sarif; prints CACHE/validators/KEY.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/weir/validators
# shellcheck source=deploy/lib/common.sh
source "$HERE/common.sh"
readonly MULTITOOL=@microsoft/sarif-multitool-linux@5.7.0

main() {
  local key
  key=$({ cat "$HERE/validators.sh" "$HERE/validators.txt"; python3 --version; uname -m; } | sha256sum | cut -c 1-16)
  once "$CACHE/$key" install_into
  printf '%s\n' "$CACHE/$key"
}

install_into() {
  local work=$1
  say 'installing the validators of documents'
  pip_into "$HERE/validators.txt" "$work/python"
  (cd "$work" && npm pack --silent "$MULTITOOL" >/dev/null)
  mkdir "$work/sarif"
  tar -xzf "$work"/*.tgz -C "$work/sarif" --strip-components=1 package/Sarif.Multitool package/sarif-2.1.0.json
  rm "$work"/*.tgz
  chmod 755 "$work/sarif/Sarif.Multitool"
}

main "$@"
