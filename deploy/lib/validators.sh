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
readonly MULTITOOL=@microsoft/sarif-multitool-linux@5.7.0

main() {
  local key target
  key=$({ cat "$HERE/validators.sh" "$HERE/validators.txt"; python3 --version; uname -m; } | sha256sum | cut -c 1-16)
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
  printf 'installing the validators of documents\n'
  python3 -m pip install --quiet --no-deps --only-binary=:all: --root-user-action=ignore --disable-pip-version-check \
    --target "$work/python" --requirement "$HERE/validators.txt"
  (cd "$work" && npm pack --silent "$MULTITOOL" >/dev/null)
  mkdir "$work/sarif"
  tar -xzf "$work"/*.tgz -C "$work/sarif" --strip-components=1 package/Sarif.Multitool package/sarif-2.1.0.json
  rm "$work"/*.tgz
  chmod 755 "$work/sarif/Sarif.Multitool" "$work"
  mv "$work" "$1"
  trap - EXIT
}

main "$@"
